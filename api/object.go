package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// asSent has the JSON library hand over what it could refuse only at the first
// mistake: names that come twice, bytes that are not UTF-8, and half a surrogate
// pair such as \ud800, which is valid JSON but not Unicode. What is read as Text
// must be both.
var asSent = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

var (
	errNoObject = errors.New("must be a JSON object")
	errTrailing = errors.New("goes on after the JSON object")

	// ErrTooDeep says that a body is nested deeper than the JSON library reads,
	// as no request of a backend's own is.
	ErrTooDeep = errors.New("is nested too deeply")
)

// Rest is what an object holds beside its known members, as an object.
type Rest = jsontext.Value

// Scalars reports whether an object's rest holds no object, no list and nothing that is
// not UTF-8.
func Scalars(rest Rest) bool {
	if len(rest) == 0 {
		return true
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(rest), jsontext.AllowDuplicateNames(true))
	for kind := d.PeekKind(); ; kind = d.PeekKind() {
		if _, err := d.ReadToken(); err != nil {
			return errors.Is(err, io.EOF)
		}
		if d.StackDepth() > 1 || kind == '[' {
			return false
		}
	}
}

// ReadObject reads a body of exactly one JSON object into a struct whose fields
// are Members, each with its name as `json:"name"`, and one Rest with
// `json:",embed"`. Names must be exact. The error says what is wrong with the
// body as a whole, as in "the body " + err.Error(), and repeats none of it.
func ReadObject(body []byte, into any) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), asSent)
	if d.PeekKind() != '{' {
		if _, err := d.ReadValue(); err != nil {
			return notJSON(err)
		}
		return errNoObject
	}
	if err := json.UnmarshalDecode(d, into); err != nil {
		if at, ok := errors.AsType[*jsontext.SyntacticError](err); ok && strings.Contains(at.Err.Error(), "max depth") {
			return ErrTooDeep // the library has no value for this
		}
		return notJSON(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}

func notJSON(err error) error {
	if at, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("is not valid JSON near byte %d", at.ByteOffset)
	}
	return errors.New("is not valid JSON")
}
