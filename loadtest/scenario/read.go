package scenario

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds what is read, in bytes; a scenario has a few kilobytes.
const maxFile = 1 << 20

// Load reads the scenario at path. The error is Mistakes and holds everything
// that is wrong.
func Load(path string) (Scenario, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		err = errors.New("is over 1 MiB, which is more than it can need")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		if failed, ok := errors.AsType[*os.PathError](err); ok {
			err = failed.Err
		}
		return Scenario{}, Mistakes{{File: path, Text: fmt.Sprintf("cannot be read: %v; samples are in configs/scenarios", err)}}
	}
	return Read(path, text)
}

// Read reads a scenario from text; file is its name in mistakes.
func Read(file string, text []byte) (Scenario, error) {
	s := defaults()
	s.File, s.Source = file, string(text)
	d := &decoder{file: file, lines: map[string]int{}, failed: map[string]bool{}}
	root, err := parse(text)
	if err != nil {
		return Scenario{}, Mistakes{{File: file, Line: err.line, Text: err.text}}
	}
	if isGateway(root) {
		return Scenario{}, Mistakes{{File: file, Text: "looks like a configuration of the gateway and not like a scenario; check it with \"gateway check --config FILE\", or begin a scenario with a copy of configs/scenarios/hang.yaml"}}
	}
	d.decode(root, "", reflect.ValueOf(&s).Elem())
	s.About = strings.TrimSpace(s.About)
	for i := range s.Objectives {
		s.Objectives[i].Line = d.lineOf(fmt.Sprintf("objectives[%d]", i))
	}
	for _, one := range s.check(d.touched) {
		if !d.hasFailed(one.Key) {
			d.mistake(one.Key, "%s", one.Text)
		}
	}
	if len(d.mistakes) > 0 {
		d.mistakes.sort()
		return Scenario{}, d.mistakes
	}
	return s, nil
}

// hasFailed reports whether the key, or what is around it, could not even be
// read.
func (d *decoder) hasFailed(key string) bool {
	for ; key != ""; key = parent(key) {
		if d.failed[key] {
			return true
		}
	}
	return false
}

// touched reports whether the key, what is around it or what is in it could not
// be read.
func (d *decoder) touched(key string) bool {
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

type syntaxError struct {
	line int
	text string
}

// isGateway reports whether a file is another kind of ours, of which every key
// would be a mistake here.
func isGateway(root ast.Node) bool {
	n, ok := root.(*ast.MappingNode)
	if !ok {
		return false
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(n.Values, func(one *ast.MappingValueNode) bool { return slices.Contains(keys, one.Key.GetToken().Value) })
	}
	return has("upstream", "listen", "breaker") && !has("phases", "objectives")
}

func parse(text []byte) (ast.Node, *syntaxError) {
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line := 1
		if said, known := errors.AsType[yaml.Error](err); known && said.GetToken() != nil {
			line = said.GetToken().Position.Line
		}
		return nil, &syntaxError{line, "is not YAML; look at indentation, quotes and brackets around here"}
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, &syntaxError{1, "must hold one scenario; begin with a copy of configs/scenarios/hang.yaml"}
	}
	return file.Docs[0].Body, nil
}
