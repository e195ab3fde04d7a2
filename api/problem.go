package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
)

// A Problem is an answer that is not the one asked for (RFC 9457). Clients
// return it as an error.
type Problem struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Detail string    `json:"detail"`
	Errors []Mistake `json:"errors,omitempty"` // everything that is wrong in the request
}

// Error says all of it, in the lines of Detail. Whoever answered wrote it: what a
// terminal would obey, line breaks elsewhere among it, is replaced.
func (p *Problem) Error() string {
	lines := strings.Split(p.Detail, "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	text := strings.Join(lines, "\n")
	if len(p.Errors) > 0 {
		mistakes := make([]string, len(p.Errors))
		for i, m := range p.Errors {
			mistakes[i] = Printable(m.Field + ": " + m.Detail)
		}
		text += ": " + strings.Join(mistakes, "; ")
	}
	return text
}

// Printable returns text that another host wrote with a replacement character for
// what a terminal would obey.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Refuse answers with a problem of a status from 400 on, with at most 20 mistakes.
// Neither detail nor mistakes may repeat a value that was sent.
func Refuse(w http.ResponseWriter, status int, detail string, mistakes ...Mistake) {
	body, _ := json.Marshal(Problem{ // strings and numbers: it cannot fail
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: mistakes[:min(len(mistakes), maxMistakes)],
	})
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever went away needs no answer
}
