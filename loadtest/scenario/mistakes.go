package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Mistake is one thing wrong with a scenario, and what to do about it.
type Mistake struct {
	File string
	Line int    // from 1; 0 = the file as a whole
	Key  string // as in phases[0].rate; "" = none in particular
	Text string
}

// String writes the mistake as "file:line: key: text".
func (m Mistake) String() string {
	at := m.File
	if m.Line > 0 {
		at = fmt.Sprintf("%s:%d", m.File, m.Line)
	}
	if m.Key != "" {
		at += ": " + m.Key
	}
	return at + ": " + m.Text
}

// Mistakes is the error of Load: everything that is wrong, by line.
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
	slices.SortStableFunc(m, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
}

// parent is the key around key; "" at the top.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// join appends a key to the path of the mapping it stands in.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
