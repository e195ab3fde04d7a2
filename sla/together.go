package sla

import (
	"errors"
	"fmt"
)

// A Day is what one instance counted in one day, for the others to know.
type Day struct {
	Owner   string // "" is this instance
	First   int64  // its first minute, since 1970
	Version int64  // the higher one holds
	Text    []byte
}

// Days are those of this instance, as they were last written, or all that are known, those
// of others too.
func (l *Levels) Days(all bool) (days []Day) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, k := range l.kept {
		if all || name.owner == "" {
			days = append(days, Day{name.owner, name.first, k.version, k.text})
		}
	}
	return days
}

// errMany says that no more days fit.
var errMany = errors.New("sla: days of so many instances are kept that no more fit")

// Learn takes in what another instance counted in a day, in place of what it told before of
// it, and says which day that is. It is kept over a restart. The error says that it is no
// day.
func (l *Levels) Learn(owner string, text []byte) (Day, error) {
	d, err := decode(text)
	if err != nil || owner == "" {
		return Day{}, fmt.Errorf("sla: it is no day of another instance: %w", err)
	}
	told := Day{owner, d.first, d.version, text}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := dayName{owner, d.first}
	was, known := l.kept[name]
	switch {
	case known && was.version >= d.version:
		return told, nil
	case !known && len(l.kept) >= maxKept:
		return told, errMany
	}
	l.keep(name, text, d.version)
	l.touch()
	return told, nil
}
