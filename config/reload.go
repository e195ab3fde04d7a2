package config

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"captchagate/strictyaml"
)

// A file that changed within moment, or that has no line end at its end, may be half
// written: what is left of a cut configuration is mostly a valid one.
const (
	moment   = time.Second
	maxLooks = 10
)

// LoadSettled is Load for a file that is perhaps being written, as one is that a
// running process is told to read again, and the files that it names with ${file:PATH}
// likewise. It waits a second until all are the same as before, for ten seconds at most.
func LoadSettled(ctx context.Context, path string, environ []string) (Config, error) {
	text, settled := settledText(ctx, path)
	switch {
	case text == nil:
		return Load(path, environ) // and say what is wrong
	case !settled && ctx.Err() != nil:
		return Config{}, fmt.Errorf("%s: was not read to its end: the process ends: %w", path, context.Cause(ctx))
	case !settled:
		return Config{}, strictyaml.Mistakes{{File: path, Text: "is being written for longer than ten seconds, or a file that it names with ${file:…} is; reload once all are whole"}}
	}
	return parse(path, text, environ)
}

// settledText reads a file until it finds it as before. The text is nil if it cannot be
// read.
func settledText(ctx context.Context, path string) (text []byte, settled bool) {
	text, named, fresh := look(path)
	for range maxLooks {
		if text == nil || !fresh {
			return text, true
		}
		select {
		case <-time.After(moment):
		case <-ctx.Done():
			return text, false
		}
		before, namedBefore := text, named
		if text, named, _ = look(path); bytes.Equal(before, text) && slices.Equal(namedBefore, named) {
			return text, true
		}
	}
	return text, false
}

// namedFile finds ${file:PATH}.
var namedFile = regexp.MustCompile(`\$\{file:([^}]+)\}`)

// look reads a file and those that it names, and says whether one may not be whole yet.
// Secrets mostly come without a line end, so of what is named only its time counts.
func look(path string) (text []byte, named []string, fresh bool) {
	text, fresh, err := lookAt(path)
	if err != nil {
		return nil, nil, false
	}
	fresh = fresh || !bytes.HasSuffix(text, []byte("\n"))
	for _, found := range namedFile.FindAllSubmatch(text, -1) {
		secret, isFresh, _ := lookAt(string(found[1])) // one that cannot be read is told of by parse
		named, fresh = append(named, string(secret)), fresh || isFresh
	}
	return text, named, fresh
}

// lookAt reads a file, and says whether it changed just now.
func lookAt(path string) (text []byte, fresh bool, err error) {
	about, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	text, err = strictyaml.ReadFile(path)
	return text, time.Since(about.ModTime()) < moment, err
}

// Gone is what of a configuration is not in the next one any more.
type Gone struct{ Scenes, Keys, Sections []string }

// GoneOf compares two configurations; the sections are those of their files.
func GoneOf(was, is Config) Gone {
	keys := func(c Config) (names []string) {
		for _, k := range c.APIKeys {
			names = append(names, k.Name)
		}
		return names
	}
	left := func(was, is []string) []string {
		return slices.DeleteFunc(slices.Clone(was), func(name string) bool { return slices.Contains(is, name) })
	}
	return Gone{
		left(slices.Sorted(maps.Keys(was.Scenes)), slices.Sorted(maps.Keys(is.Scenes))),
		left(keys(was), keys(is)),
		left(was.sections, is.sections),
	}
}

// String lists it; "" is nothing.
func (g Gone) String() string {
	var gone []string
	for _, of := range []struct {
		what  string
		names []string
	}{{"scenes: ", g.Scenes}, {"api_keys: ", g.Keys}, {"sections of the file: ", g.Sections}} {
		if len(of.names) > 0 {
			gone = append(gone, of.what+strings.Join(of.names, ", "))
		}
	}
	return strings.Join(gone, "; ")
}

// Warnings says what comes of each.
func (g Gone) Warnings() (lines []string) {
	for _, name := range g.Scenes {
		lines = append(lines, "the scene "+name+" is gone; requests for it get 400 from now on")
	}
	for _, name := range g.Keys {
		lines = append(lines, "the API key "+name+" is gone; requests with it get 401 from now on")
	}
	for _, name := range g.Sections {
		lines = append(lines, "the section "+name+" is gone from the file; its defaults hold, where it is not reloaded from the next start on")
	}
	return lines
}
