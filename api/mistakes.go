package api

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxMistakes is how many mistakes are told at once.
const maxMistakes = 20

// A Mistake is one thing that the caller wrote wrongly.
type Mistake struct {
	Field  string `json:"field"` // of the body or the query, or a header's name
	Detail string `json:"detail"`
}

// Mistakes reads members and collects what is wrong with them. A null is a
// value of none. The zero value is ready.
type Mistakes []Mistake

// Add adds a mistake.
func (ms *Mistakes) Add(field, detail string) {
	*ms = append(*ms, Mistake{Field: field, Detail: detail})
}

// Text returns what a string says. Like the other readers it adds what is wrong,
// and says with ok whether the member was sent and could be read.
func (ms *Mistakes) Text(field string, m Member) (text string, ok bool) {
	text, err := m.text()
	return text, ms.take(field, m, err)
}

// Foreign returns what somebody else wrote and the sender only handed on, be it of
// whatever type: what a string says, or else the JSON as it was sent. A null is
// nothing. Only that it stands there twice is the sender's mistake.
func (ms *Mistakes) Foreign(field string, m Member) string {
	if m.twice {
		ms.Add(field, "stands there twice")
	}
	if m.sent == "null" {
		return ""
	}
	text, err := m.text()
	if errors.Is(err, errNoText) {
		return m.sent
	}
	return text
}

// Whole returns a number from 0 to the largest uint64, without fraction or
// exponent.
func (ms *Mistakes) Whole(field string, m Member) (n uint64, ok bool) {
	n, err := strconv.ParseUint(m.sent, 10, 64)
	if err != nil {
		err = errNoWhole
	}
	return n, ms.take(field, m, err)
}

// Number returns a number.
func (ms *Mistakes) Number(field string, m Member) (x float64, ok bool) {
	x, err := strconv.ParseFloat(m.sent, 64)
	if err != nil {
		err = errNoNumber
	}
	return x, ms.take(field, m, err)
}

func (ms *Mistakes) take(field string, m Member, err error) (ok bool) {
	if !m.Given() {
		return false
	}
	if err != nil {
		ms.Add(field, err.Error())
	}
	if m.twice {
		ms.Add(field, "stands there twice")
	}
	return err == nil
}

// Unknown adds every member of an object's rest: there is none that is not
// known.
func (ms *Mistakes) Unknown(rest Rest) {
	if len(rest) == 0 {
		return
	}
	d := jsontext.NewDecoder(strings.NewReader(string(rest)), asSent)
	_, _ = d.ReadToken() // it was read before: nothing here can fail
	for d.PeekKind() != '}' && len(*ms) < maxMistakes {
		quoted, err := d.ReadValue()
		if err != nil {
			return
		}
		name, _ := jsontext.AppendUnquote(nil, quoted)
		ms.Add(shown(string(name)), "is not a field of this request")
		_ = d.SkipValue()
	}
}

// maxShown is how long a name that somebody made up may be to be repeated, in
// bytes; of a longer one its beginning is.
const maxShown = 64

// shown makes a name fit to be repeated.
func shown(name string) string {
	if name == "" {
		return `""`
	}
	if len(name) > maxShown {
		name = string([]rune(name[:maxShown])[:maxShown/utf8.UTFMax]) + "…"
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}
