package strictyaml

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// valueOf is the struct that a pointer points to.
func valueOf(pointer any) reflect.Value { return reflect.ValueOf(pointer).Elem() }

// decode sets v, which must be settable, from n.
func (d *Document) decode(n *node, path string, v reflect.Value) {
	switch {
	case n.shape == broken:
		d.failed[path] = true
	case v.Kind() == reflect.Pointer && n.shape == blank:
		d.fail(path, n.line, noValue)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, path, v.Elem())
	case isText(v, n):
		d.scalar(n, path, v)
	case v.Kind() == reflect.Struct && d.is(n, mapping, path):
		d.section(n, path, v)
	case v.Kind() == reflect.Map && d.is(n, mapping, path):
		d.entries(n, path, v)
	case v.Kind() == reflect.Slice && d.is(n, list, path):
		v.Set(reflect.MakeSlice(v.Type(), len(n.entries), len(n.entries)))
		for i, one := range n.entries {
			at := fmt.Sprintf("%s[%d]", path, i)
			d.written[at] = place{line: one.line, source: one.value.text}
			d.decode(one.value, at, v.Index(i))
		}
	}
}

// isText reports whether v is set from one text. A list or section that reads one
// may be written as either.
func isText(v reflect.Value, n *node) bool {
	switch {
	case v.Kind() == reflect.Slice && n.shape == list, v.Kind() == reflect.Struct && n.shape == mapping && len(fieldsOf(v)) > 0:
		return false
	}
	return isScalar(v)
}

// is reports whether n has the shape wanted; nothing at all has it too.
func (d *Document) is(n *node, want shape, path string) bool {
	if n.shape == want || n.shape == blank {
		return true
	}
	d.fail(path, n.line, fmt.Sprintf("must be %v, is %v", want, n.shape))
	return false
}

func (d *Document) section(n *node, path string, v reflect.Value) {
	known := fieldsOf(v)
	for _, one := range n.entries {
		at := join(path, one.key)
		field, ok := find(known, one.key)
		if !ok {
			d.unknown(n, one, path, known)
			continue
		}
		d.written[at] = place{line: one.line, source: one.value.text}
		d.decode(one.value, at, field.value)
	}
}

func (d *Document) entries(n *node, path string, v reflect.Value) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.entries)))
	for _, one := range n.entries {
		at := join(path, one.key)
		d.written[at] = place{line: one.line}
		made := reflect.New(v.Type().Elem()).Elem()
		d.decode(one.value, at, made)
		v.SetMapIndex(reflect.ValueOf(one.key), made)
	}
}

const noValue = "has no value; give one, or leave the key out for the default"

func (d *Document) scalar(n *node, path string, v reflect.Value) {
	if n.shape == blank && v.Kind() != reflect.String && v.Kind() != reflect.Slice {
		d.fail(path, n.line, noValue)
		return
	}
	if n.shape != single && n.shape != blank {
		d.fail(path, n.line, fmt.Sprintf("must be %v, is %v", single, n.shape))
		return
	}
	d.look(n, path)
	text, problems := d.expand(n.text)
	for _, one := range problems {
		d.fail(path, n.line, one)
	}
	if len(problems) > 0 {
		return
	}
	if text != n.text {
		d.expanded[path] = text
	}
	if err := setScalar(v, text); err != nil {
		d.fail(path, n.line, err.Error())
	}
}

// bareVariable is what a variable looks like to a shell, and not here.
var bareVariable = regexp.MustCompile(`^\$[A-Z_][A-Z0-9_]*$`)

// look finds secrets that are probably not what was meant.
func (d *Document) look(n *node, path string) {
	if !isSecret(lastKey(path)) {
		return
	}
	if bareVariable.MatchString(n.text) {
		d.fail(path, n.line, "looks like a variable without braces; write ${NAME}. A secret that begins with $ comes in a variable or a file")
	}
	if n.cut {
		d.doubts = append(d.doubts, fmt.Errorf("%s: ends before the \" #\" in its line, where a comment begins; put quotes around the value if that is a part of it, or a space behind the #", path))
	}
}

// lastKey is the last key of a path, without the number of a list's entry.
func lastKey(path string) string {
	path, _, _ = strings.Cut(path[strings.LastIndexByte(path, '.')+1:], "[")
	return path
}

// fail takes a value that cannot be read. A value may begin lines after its
// key; the key is what people look for.
func (d *Document) fail(path string, line int, text string) {
	if at, ok := d.written[path]; ok {
		line = at.line
	}
	d.failed[path] = true
	d.mistake(Mistake{File: d.file, Line: line, Key: path, Text: text})
}

func (d *Document) mistake(m Mistake) { d.mistakes = append(d.mistakes, m) }

// unknown takes an entry of a section under a key that there is not. What stands below
// it is read as if it stood under the key that was probably meant, so that it hides no
// mistake there, and nothing seems to be missing.
func (d *Document) unknown(section *node, e entry, path string, known []field) {
	names := make([]string, len(known))
	for i, one := range known {
		names[i] = one.key
	}
	d.failed[join(path, e.key)] = true
	d.mistake(Mistake{File: d.file, Line: e.line, Key: join(path, shownKey(e.key, names)), Text: unknownKey(e.key, names)})
	meant := Nearest(e.key, names)
	field, ok := find(known, meant)
	if !ok || slices.ContainsFunc(section.entries, func(other entry) bool { return other.key == meant }) {
		return
	}
	at := join(path, meant)
	d.written[at] = place{line: e.line, source: e.value.text}
	d.decode(e.value, at, field.value)
}

// likeKey is what keys look like, and secrets of any use do not.
var likeKey = regexp.MustCompile(`^[A-Za-z_]{1,24}$`)

// shownKey is what a mistake may show of a key that there is not. It may be a
// secret whose own key was forgotten.
func shownKey(key string, known []string) string {
	if likeKey.MatchString(key) || Nearest(key, known) != "" {
		return key
	}
	return redacted
}

func unknownKey(key string, known []string) string {
	if meant := Nearest(key, known); meant != "" {
		return fmt.Sprintf("is not a key; did you mean %s?", meant)
	}
	if len(known) == 0 {
		return "is not a key; there are none here"
	}
	return "is not a key; here are " + strings.Join(known, ", ")
}

// A field is a key of a section. Inline structs have given theirs to the
// struct around them.
type field struct {
	key       string
	value     reflect.Value
	omitEmpty bool
	path      bool // it holds the path of a file: `yaml:"key,path"`
}

// kind is the key that says how its value may be shown. A path is no secret, whatever it
// is called; what has several lines is none, but perhaps what stood in the file.
func (f field) kind() string {
	if f.path && !holdsOthers(f.value.String()) {
		return "path"
	}
	return f.key
}

func fieldsOf(v reflect.Value) (fields []field) {
	for i := range v.NumField() {
		key, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			fields = append(fields, fieldsOf(v.Field(i))...)
		case key != "" && key != "-":
			fields = append(fields, field{key, v.Field(i), option == "omitempty", option == "path"})
		}
	}
	return fields
}

func find(fields []field, key string) (field, bool) {
	for _, one := range fields {
		if one.key == key {
			return one, true
		}
	}
	return field{}, false
}
