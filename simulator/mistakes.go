package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// mistake is one thing wrong with what somebody asked for.
type mistake struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// mistakes are all things wrong with it; as an error each reads
// "field: what is wrong".
type mistakes []mistake

func (m *mistakes) add(field, format string, args ...any) {
	*m = append(*m, mistake{field, fmt.Sprintf(format, args...)})
}

func (m mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// Error lists the mistakes, one a line.
func (m mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.Field + ": " + one.Detail
	}
	return strings.Join(lines, "\n")
}

// problem is an error as RFC 9457 writes it.
type problem struct {
	Type   string   `json:"type"`
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail"`
	Errors mistakes `json:"errors,omitempty"`
}

func writeProblem(w http.ResponseWriter, status int, err error) {
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: err.Error()}
	if m, ok := err.(mistakes); ok { //nolint:errorlint // never wrapped here
		p.Detail, p.Errors = "The simulator cannot do that; nothing was changed.", m
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
