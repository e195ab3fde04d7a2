package api

import (
	"encoding/json"
	"net/http"
	"strings"
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

// Error says all of it in one line.
func (p *Problem) Error() string {
	if len(p.Errors) == 0 {
		return p.Detail
	}
	lines := make([]string, len(p.Errors))
	for i, m := range p.Errors {
		lines[i] = m.Field + ": " + m.Detail
	}
	return p.Detail + ": " + strings.Join(lines, "; ")
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
