package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Mistake is one thing wrong with the configuration, where it stands and
// what to do about it. It never shows a secret.
type Mistake struct {
	File     string // of the configuration; "" where Variable is set
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

// Mistakes is the error of Load: everything that is wrong, those in the file
// ordered by line, then those in the environment by name.
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

// Nearest returns the name that word was probably meant to be, "" where none
// is near. Who reads other files of people's asks it too.
func Nearest(word string, names []string) string {
	best, bestDistance := "", max(2, min(len(word)/4, 4))+1
	for _, name := range names {
		if d := distance(word, name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance counts the letters to insert, remove or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
