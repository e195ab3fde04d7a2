package api

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A Member is the value that an object has under a name, as it was sent. The
// zero value was not sent. Mistakes reads it.
type Member struct {
	sent  string // JSON, the first of that name; "" = not sent
	twice bool
}

// UnmarshalJSONFrom takes the value over.
func (m *Member) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	if m.twice = m.Given(); !m.twice {
		m.sent = string(value)
	}
	return nil
}

// Given reports whether the member was sent, be it as null.
func (m Member) Given() bool { return m.sent != "" }

var (
	errNoText    = errors.New("must be a string")
	errNoUnicode = errors.New("must be a string of valid Unicode")
	errNoWhole   = errors.New("must be a whole number")
	errNoNumber  = errors.New("must be a number")
)

// text returns what the string says. With errNoUnicode a mark stands in the
// text for what is none.
func (m Member) text() (string, error) {
	if !strings.HasPrefix(m.sent, `"`) {
		return "", errNoText
	}
	if !strings.Contains(m.sent, `\`) {
		text := m.sent[1 : len(m.sent)-1]
		if !utf8.ValidString(text) {
			return text, errNoUnicode
		}
		return text, nil
	}
	text, err := jsontext.AppendUnquote(nil, m.sent)
	if err != nil {
		err = errNoUnicode
	}
	return string(text), err
}
