package strictyaml

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// sectionStart is how a line begins with which a key at the top does.
var sectionStart = regexp.MustCompile(`^[A-Za-z0-9_"'][^\s:]*\s*:(\s|$)`)

// parseSections reads a text that is no YAML as a whole section by section, each at its
// own lines, so that a mistake of syntax hides only what else is wrong in its section.
func parseSections(text []byte) (*node, []complaint) {
	var r reader
	root := &node{line: 1, shape: mapping}
	var values []*ast.MappingValueNode
	for _, s := range sectionsOf(string(text)) {
		file, wrong := s.parse(text)
		if wrong != nil {
			r.complaints = append(r.complaints, *wrong)
			root.entries = append(root.entries, entry{key: s.key, line: s.line, value: &node{line: s.line, shape: broken}})
			continue
		}
		for _, doc := range file.Docs {
			switch body := doc.Body.(type) {
			case *ast.MappingNode:
				values = append(values, body.Values...)
			case *ast.MappingValueNode:
				values = append(values, body)
			}
		}
	}
	if len(r.complaints) == 0 {
		return nil, nil
	}
	root.entries = append(root.entries, r.mapping(1, values, "").entries...)
	return root, r.complaints
}

// A section is a key at the top with what stands below it, as a text in which it has the
// lines that it has in the file.
type section struct {
	key, text string
	line      int
}

// parse reads the section. What is wrong is told as a part of the text that it is of, whose
// words may have hidden how deep it is.
func (s section) parse(text []byte) (*ast.File, *complaint) {
	words := lexer.Tokenize(s.text)
	if line := tooDeep(words); line > 0 {
		wrong := nested(line)
		return nil, &wrong
	}
	file, err := parser.Parse(words, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		wrong := syntax(err, text)
		return nil, &wrong
	}
	return file, nil
}

func sectionsOf(text string) (sections []section) {
	at := 0
	for line := range strings.Lines(text) {
		at++
		if sectionStart.MatchString(line) {
			key, _, _ := strings.Cut(line, ":")
			sections = append(sections, section{key: strings.Trim(key, `"' `), line: at, text: strings.Repeat("\n", at-1)})
		}
		if n := len(sections); n > 0 {
			sections[n-1].text += line
		}
	}
	return sections
}

// syntax repeats what the parser says, without what it quotes from the file.
func syntax(err error, text []byte) complaint {
	said, known := errors.AsType[yaml.Error](err)
	if !known || said.GetToken() == nil {
		return complaint{1, "yaml", "is not YAML; look at indentation, quotes and brackets"}
	}
	at := said.GetToken().Position
	message, _, quotes := strings.Cut(said.GetMessage(), `"`)
	if quotes {
		message = strings.TrimRight(message, " :") + " something"
	}
	remedy := "look at indentation, quotes and brackets around here"
	lines := strings.Split(string(text), "\n")
	around := lines[max(0, min(at.Line-1, len(lines)-1)):max(0, min(at.Line+1, len(lines)))]
	switch {
	case strings.Contains(message, "\t"), hasTab(around):
		message, remedy = "a tab", "indent with spaces"
	case len(around) > 0 && strings.Contains(around[0], "${"):
		remedy = `put quotes around ${…} inside {} and []: "${NAME}"`
	case strings.HasPrefix(message, "mapping value is not allowed"):
		message = "a key where none can stand"
		remedy = "give it the indentation of the keys beside it; a value that holds a colon and a space needs quotes"
	}
	return complaint{at.Line, "yaml", fmt.Sprintf("is not YAML at column %d (%s); %s", at.Column, message, remedy)}
}

// hasTab reports whether a line is indented with a tab.
func hasTab(lines []string) bool {
	for _, line := range lines {
		if strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t") {
			return true
		}
	}
	return false
}
