package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// A form is the body of a control: which fields it may have, and what must hold
// for them together. Everything wrong with a body is told at once.
type form struct {
	fields map[string]fieldReader
	check  func() error
}

// A fieldReader takes one field's JSON; it returns what it must be, "" if it is.
type fieldReader func(raw json.RawMessage) (must string)

func (f form) read(body []byte) error {
	var m mistakes
	given := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &given); err != nil || bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		m.add("body", "must be a JSON object")
		return m
	}
	bad := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		read, known := f.fields[name]
		if !known {
			m.add(name, "is not a field here")
			continue
		}
		if must := read(given[name]); must != "" {
			m.add(name, "must be %s, is %s", must, shorten(given[name]))
			bad[name] = true
		}
	}
	more, _ := f.check().(mistakes) //nolint:errorlint // checks return them bare
	for _, one := range more {
		if !bad[one.Field] { // told above, and the check saw only its zero
			m = append(m, one)
		}
	}
	return m.err()
}

func shorten(raw json.RawMessage) string {
	const maxShown = 60
	if len(raw) > maxShown {
		return string(raw[:maxShown]) + "..."
	}
	return string(raw)
}

func stringInto(target *string) fieldReader { return valueInto(target, "a string") }

// valueInto reads exactly one JSON type; must names it.
func valueInto[T any](target *T, must string) fieldReader {
	return func(raw json.RawMessage) string {
		if string(raw) == "null" || json.Unmarshal(raw, target) != nil {
			return must
		}
		return ""
	}
}

func durationInto(target *time.Duration) fieldReader {
	const must = `a duration such as "15s" or "500ms"`
	return func(raw json.RawMessage) string {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return must
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return must
		}
		*target = d
		return ""
	}
}
