package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A decoder sets a Config from a tree, or from the environment, and remembers
// where each value was written.
type decoder struct {
	expand   func(text string) (made string, problems []string) // replaces ${…}
	written  map[string]place                                   // by key
	failed   map[string]bool                                    // keys whose value could not be read
	expanded map[string]string                                  // by key: what ${…} came to
	mistakes Mistakes
	file     string
}

// A place is where a value was written.
type place struct {
	line     int
	variable string
	source   string // the scalar as written, with its ${…}
}

func newDecoder(file string, expand func(string) (string, []string)) *decoder {
	return &decoder{
		file: file, expand: expand,
		written: map[string]place{}, failed: map[string]bool{}, expanded: map[string]string{},
	}
}

// take makes mistakes of what parsing complained about.
func (d *decoder) take(complaints []complaint) {
	for _, one := range complaints {
		d.mistake(Mistake{File: d.file, Line: one.line, Key: one.key, Text: one.text})
	}
}

// decode sets v, which must be settable, from n. Structs keep what n does not
// name; maps and lists are made anew.
func (d *decoder) decode(n *node, path string, v reflect.Value) {
	switch {
	case n.shape == broken:
		d.failed[path] = true
	case isScalar(v):
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

// is reports whether n has the shape wanted; nothing at all has it too.
func (d *decoder) is(n *node, want shape, path string) bool {
	if n.shape == want || n.shape == blank {
		return true
	}
	d.fail(path, n.line, fmt.Sprintf("must be %v, is %v", want, n.shape))
	return false
}

func (d *decoder) section(n *node, path string, v reflect.Value) {
	known := fieldsOf(v)
	for _, one := range n.entries {
		at := join(path, one.key)
		field, ok := find(known, one.key)
		if !ok {
			d.mistake(Mistake{File: d.file, Line: one.line, Key: at, Text: unknownKey(one.key, known)})
			continue
		}
		d.written[at] = place{line: one.line, source: one.value.text}
		d.decode(one.value, at, field.value)
	}
}

func (d *decoder) entries(n *node, path string, v reflect.Value) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.entries)))
	for _, one := range n.entries {
		at := join(path, one.key)
		d.written[at] = place{line: one.line}
		made := reflect.New(v.Type().Elem()).Elem()
		d.decode(one.value, at, made)
		v.SetMapIndex(reflect.ValueOf(one.key), made)
	}
}

func (d *decoder) scalar(n *node, path string, v reflect.Value) {
	if n.shape == blank && v.Kind() != reflect.String {
		d.fail(path, n.line, "has no value; give one, or leave the key out for the default")
		return
	}
	if n.shape != single && n.shape != blank {
		d.fail(path, n.line, fmt.Sprintf("must be %v, is %v", single, n.shape))
		return
	}
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

// fail takes a value that cannot be read. A value may begin lines after its
// key; the key is what people look for.
func (d *decoder) fail(path string, line int, text string) {
	if at, ok := d.written[path]; ok {
		line = at.line
	}
	d.failed[path] = true
	d.mistake(Mistake{File: d.file, Line: line, Key: path, Text: text})
}

func (d *decoder) mistake(m Mistake) { d.mistakes = append(d.mistakes, m) }

func unknownKey(key string, known []field) string {
	names := make([]string, len(known))
	for i, one := range known {
		names[i] = one.key
	}
	if meant := Nearest(key, names); meant != "" {
		return fmt.Sprintf("is not a key; did you mean %s?", meant)
	}
	return "is not a key; here are " + strings.Join(names, ", ")
}

// A field is a key of a section. Inline structs have given theirs to the
// struct around them.
type field struct {
	key       string
	value     reflect.Value
	omitEmpty bool
}

func fieldsOf(v reflect.Value) (fields []field) {
	for i := range v.NumField() {
		key, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			fields = append(fields, fieldsOf(v.Field(i))...)
		case key != "" && key != "-":
			fields = append(fields, field{key, v.Field(i), option == "omitempty"})
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

func isScalar(v reflect.Value) bool {
	if _, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return true
	}
	return v.Kind() != reflect.Struct && v.Kind() != reflect.Map && v.Kind() != reflect.Slice
}

// setScalar sets v from text; its error says what v must be.
func setScalar(v reflect.Value, text string) error {
	switch to := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("must be a duration such as 500ms, 20s or 5m, is %q", text)
		}
		*to = d
		return nil
	case *netip.Prefix:
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("must be a CIDR such as 10.0.0.0/8 or 192.0.2.7/32, with nothing set behind its length, is %q", text)
		}
		*to = p
		return nil
	case encoding.TextUnmarshaler:
		return to.UnmarshalText([]byte(text))
	}
	return setBasic(v, text)
}

func setBasic(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("must be true or false, is %q", text)
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("must be a whole number, is %q", text)
		}
		v.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("must be a whole number not below 0, is %q", text)
		}
		v.SetUint(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("must be a number such as 0.5, is %q", text)
		}
		v.SetFloat(f)
	default:
		return errors.New("cannot be set: no way is known to read a " + v.Type().String())
	}
	return nil
}
