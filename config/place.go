package config

import "strings"

// judge takes what Validate found, puts places to it, and leaves out keys
// whose value could not even be read.
func (d *decoder) judge(err error) {
	for _, one := range split(err) {
		key, text := one[0], one[1]
		if d.isFailed(key) {
			continue
		}
		at := d.placeOf(key, text)
		m := Mistake{File: d.file, Line: at.line, Variable: at.variable, Key: key, Text: text}
		if at.variable != "" {
			m.File = ""
		}
		d.mistake(m)
	}
}

// placeOf finds where to mend: the key itself, else another key that the text
// names, in full or from the same section, else what is around the key, else
// the file's first line.
func (d *decoder) placeOf(key, text string) place {
	if at, ok := d.written[key]; ok {
		return at
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" ,;:()", r) }) {
		if at, ok := d.written[join(parent(key), word)]; ok {
			return at
		}
		if at, ok := d.written[word]; ok && strings.Contains(word, ".") {
			return at
		}
	}
	for key = parent(key); key != ""; key = parent(key) {
		if at, ok := d.written[key]; ok {
			return at
		}
	}
	return place{line: 1}
}

func (d *decoder) isFailed(key string) bool {
	for ; key != ""; key = parent(key) {
		if d.failed[key] {
			return true
		}
	}
	return d.failed[""]
}

// parent is the key around key; "" at the top.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }
