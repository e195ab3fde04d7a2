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

// SetText takes over what was sent as plain text, by a form.
func (m *Member) SetText(text string) {
	if m.twice = m.Given(); m.twice {
		return
	}
	m.sent = `"` + text + `"`
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		quoted, _ := jsontext.AppendQuote(nil, text) // with a mark for what is not Unicode
		m.sent = string(quoted)
	}
}

// Given reports whether the member was sent, be it as null.
func (m Member) Given() bool { return m.sent != "" }

// IsString reports whether it was sent as a string.
func (m Member) IsString() bool { return strings.HasPrefix(m.sent, `"`) }

// JSON is the value as it was sent, "" if it was not.
func (m Member) JSON() string { return m.sent }

// IsNull reports whether it was sent as null.
func (m Member) IsNull() bool { return m.sent == "null" }

var (
	errNoText    = errors.New("must be a string")
	errNoUnicode = errors.New("must be a string of valid Unicode")
	errNoWhole   = errors.New("must be a whole number")
	errNoNumber  = errors.New("must be a number")
)

// text returns what the string says. With errNoUnicode a mark stands in the
// text for what is none.
func (m Member) text() (string, error) {
	if !m.IsString() {
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
