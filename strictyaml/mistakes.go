package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Mistake is one thing wrong with a file, where it stands and what to do about
// it. It never shows a secret.
type Mistake struct {
	File     string // "" if Variable is set
	Line     int    // from 1; 0 = the file as a whole
	Variable string // the environment variable that said it; "" = the file did
	Key      string // as in "breaker.open.max" or "api_keys[0].name"; "" = none in particular
	Text     string // what is wrong and what to do
}

// String writes the mistake as "file:line: key: text".
func (m Mistake) String() string {
	at := m.Variable
	if at == "" {
		at = m.File
		if m.Line > 0 {
			at = fmt.Sprintf("%s:%d", m.File, m.Line)
		}
	}
	if m.Key != "" {
		at += ": " + m.Key
	}
	return at + ": " + m.Text
}

// Mistakes is the error of reading a file: everything that is wrong, those in
// the file ordered by line, then those in the environment by name.
type Mistakes []Mistake

// Error writes one mistake a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Variable, b.Variable), cmp.Compare(a.Line, b.Line))
	})
}

// Under puts a section in front of the keys of joined errors of the form "key:
// what is wrong and what to do".
func Under(section string, err error) error {
	var mistakes []error
	for _, one := range split(err) {
		mistakes = append(mistakes, fmt.Errorf("%s: %s", join(section, one[0]), one[1]))
	}
	return errors.Join(mistakes...)
}

// split takes the errors apart that rooms have joined, and returns each as key
// and text.
func split(err error) (keyed [][2]string) {
	switch joined := err.(type) { //nolint:errorlint // the joined error itself is wanted, not what it wraps
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		for _, one := range joined.Unwrap() {
			keyed = append(keyed, split(one)...)
		}
		return keyed
	}
	key, text, found := strings.Cut(err.Error(), ": ")
	if !found {
		key, text = "", err.Error()
	}
	return [][2]string{{key, text}}
}
