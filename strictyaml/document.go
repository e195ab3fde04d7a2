// Package strictyaml reads YAML files that people write by hand into structs.
// It is strict: an unknown key, a key that stands twice and a wrong type are
// mistakes. It goes on after each, so that all come back at once, with file,
// line, key and remedy, and it never shows a secret. Values may hold ${NAME}
// and ${file:PATH}, and variables of the environment may stand over the file.
//
//	doc := strictyaml.Parse(path, text, kind)
//	doc.Decode(&config, env.Expand)
//	doc.Override("GATEWAY", env, remedy)
//	doc.Judge(config.Validate())
//	return doc.Err()
package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// maxFile bounds what is read of a file, in bytes: such files have a few
// kilobytes.
const maxFile = 1 << 20

// A Kind is what a file is meant to be, for remedies.
type Kind struct {
	Name   string // as in "configuration"
	Sample string // path of a file to begin with a copy of
}

// A Document is one file and what is wrong with it. It knows where each value
// was written.
type Document struct {
	file   string
	root   *node  // nil if nothing can be decoded
	target any    // the pointer that Decode was given
	expand Expand // replaces ${…}

	torn     bool              // a part of it is no YAML: what seems missing may stand there
	written  map[string]place  // by key
	failed   map[string]bool   // keys whose value could not be read
	expanded map[string]string // by key: what ${…} came to
	mistakes Mistakes
	doubts   []error // see Doubts
}

// A place is where a value was written.
type place struct {
	line     int
	variable string
	source   string // the scalar as written, with its ${…}
}

// Expand replaces ${…} in a scalar, and returns everything that is wrong.
type Expand func(text string) (expanded string, problems []string)

// ReadFile returns the text of the file at path. Files over 1 MiB are refused.
// The error does not name the path.
func ReadFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w; look at the path and its rights", withoutPath(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w; look at the path and its rights", withoutPath(err))
	}
	if len(text) > maxFile {
		return nil, errors.New("is over 1 MiB, which is more than it can need; look at the path")
	}
	return text, nil
}

func withoutPath(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return failed.Err
	}
	return err
}

// Parse reads the text of a file. What is wrong with it comes with Err.
func Parse(file string, text []byte, kind Kind) *Document {
	d := &Document{
		file: file, expand: asWritten,
		written: map[string]place{}, failed: map[string]bool{}, expanded: map[string]string{},
	}
	root, complaints, torn := parse(text, kind)
	d.root, d.torn, d.failed[""] = root, torn, root == nil
	for _, one := range complaints {
		d.mistake(Mistake{File: file, Line: one.line, Key: one.key, Text: one.text})
	}
	return d
}

func asWritten(text string) (string, []string) { return text, nil }

// Has reports whether the file has one of the keys, at the top.
func (d *Document) Has(keys ...string) bool {
	return d.root != nil && slices.ContainsFunc(d.root.entries, func(e entry) bool { return slices.Contains(keys, e.key) })
}

// Keys are those that the file has at the top.
func (d *Document) Keys() (keys []string) {
	if d.root == nil {
		return nil
	}
	for _, e := range d.root.entries {
		keys = append(keys, e.key)
	}
	return keys
}

// Source is the scalar under a key as the file has it, with its ${…}; "" if it has none
// there, or a variable stands over it.
func (d *Document) Source(key string) string {
	at := d.written[key]
	if at.variable != "" {
		return ""
	}
	return at.source
}

// Decode sets the struct that into points to. It keeps what the file does not
// name; maps and lists are made anew. A nil expand leaves ${…} as it is.
func (d *Document) Decode(into any, expand Expand) {
	d.target = into
	if expand != nil {
		d.expand = expand
	}
	if d.root != nil {
		d.decode(d.root, "", valueOf(into))
	}
}

// Doubts is what is odd in how the file is written and no mistake for sure, in the form
// of Judge.
func (d *Document) Doubts() error { return errors.Join(d.doubts...) }

// Err is nil or the Mistakes of everything that is wrong.
func (d *Document) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	return d.Mistakes()
}

// Mistakes returns everything that is wrong, in order and without secrets.
func (d *Document) Mistakes() Mistakes {
	d.mistakes.sort()
	d.hideSecrets()
	return d.mistakes
}
