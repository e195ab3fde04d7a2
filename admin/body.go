package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"captchagate/control"
)

// maxBody bounds a body, in bytes.
const maxBody = 64 << 10

// fields reads the members of a JSON object by name. Each reader returns what
// is wrong with its value, or "".
type fields map[string]func(value json.RawMessage) string

// readBody reads the request's body into known and reports whether it could be
// read at all; if not, the request is answered. The mistakes are what is
// wrong in single fields.
func readBody(c *gin.Context, known fields) (mistakes []control.Mistake, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		refuse(c, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body may have %d bytes", maxBody))
		return nil, false
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, "the body could not be read to its end")
		return nil, false
	}
	mistakes, detail := parse(body, known)
	if detail != "" {
		refuse(c, http.StatusBadRequest, detail)
		return nil, false
	}
	return mistakes, true
}

// parse is strict: names must be exact and known and come once, and nothing
// may follow the object. detail is set if body is not such an object.
func parse(body []byte, known fields) (mistakes []control.Mistake, detail string) {
	if !utf8.Valid(body) {
		return nil, "the body is not valid UTF-8"
	}
	if !json.Valid(body) {
		return nil, "the body is not one JSON object: it is empty, broken, or followed by something"
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if start, _ := decoder.Token(); start != json.Delim('{') {
		return nil, "the body must be a JSON object"
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, _ := decoder.Token() // it is valid, so this is a name
		name, _ := token.(string)
		var value json.RawMessage
		_ = decoder.Decode(&value)
		read, exists := known[name]
		wrong := ""
		switch {
		case seen[name]:
			wrong = "is there twice"
		case !exists:
			wrong = "is not a field of this request"
		default:
			wrong = read(value)
		}
		seen[name] = true
		if wrong != "" {
			mistakes = append(mistakes, control.Mistake{Field: shown(name), Detail: wrong})
		}
	}
	return mistakes, ""
}

// shown bounds what is repeated of a name that somebody made up.
func shown(name string) string {
	if len(name) <= 64 {
		return name
	}
	return string([]rune(name)[:16]) + "…"
}

// text reads a string.
func text(into *string) func(json.RawMessage) string {
	return func(value json.RawMessage) string {
		if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, into) != nil {
			return "must be a string"
		}
		return ""
	}
}

// number reads a number.
func number(into **float64) func(json.RawMessage) string {
	return func(value json.RawMessage) string {
		if string(value) == "null" || json.Unmarshal(value, into) != nil {
			return "must be a number"
		}
		return ""
	}
}
