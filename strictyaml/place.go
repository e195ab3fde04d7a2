package strictyaml

import "strings"

// Judge takes what a Validate found, joined errors of the form "key: what is
// wrong and what to do", and puts places to them. It leaves out keys whose value
// could not even be read, and of a file that is partly no YAML those that it has not.
func (d *Document) Judge(err error) {
	for _, one := range split(err) {
		key, text := one[0], one[1]
		if _, written := d.written[key]; d.hasFailed(key) || d.torn && !written {
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
func (d *Document) placeOf(key, text string) place {
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

// Line says in which line of the file a key stands, or else what is around it.
func (d *Document) Line(key string) int {
	for ; key != ""; key = parent(key) {
		if at, ok := d.written[key]; ok && at.variable == "" {
			return at.line
		}
	}
	return 1
}

// IsUnread reports whether a value could not be read: of the key, of one around
// it, or of one in it. What seems to be missing there may only be miswritten.
func (d *Document) IsUnread(key string) bool {
	if d.hasFailed(key) {
		return true
	}
	for failed := range d.failed {
		if rest, in := strings.CutPrefix(failed, key); in && (rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// hasFailed reports whether the value of the key, or of one around it, could not
// be read.
func (d *Document) hasFailed(key string) bool {
	for ; key != ""; key = parent(key) {
		if d.failed[key] {
			return true
		}
	}
	return d.failed[""]
}

// parent is the key around key; "" at the top.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }
