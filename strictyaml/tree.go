package strictyaml

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// shape is what a node of the file is.
type shape int

const (
	blank  shape = iota // nothing after the colon, or null
	single              // a scalar
	list
	mapping
	broken // has been complained about already
)

func (s shape) String() string {
	return [...]string{blank: "nothing", single: "a single value", list: "a list", mapping: "a mapping", broken: "broken"}[s]
}

// A node is a value of the file together with its line. Scalars stay the text
// that was written: what they mean is up to the key they stand under, so a key
// of digits is a key and not a number.
type node struct {
	line    int
	shape   shape
	text    string
	entries []entry // of a list, with empty keys, or of a mapping
	cut     bool    // a comment begins right behind it, without a space: perhaps a part of it
}

type entry struct {
	key   string
	line  int
	value *node
}

// A complaint is a mistake of which only the line is known yet.
type complaint struct {
	line      int
	key, text string
}

// keyPattern is what a key may look like. What does not is not repeated in a
// mistake: it may be a secret that lost its key.
var keyPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

// parse reads YAML into a tree. All mistakes come back at once, but for those
// of syntax: behind the first of these nothing in its section can be trusted.
func parse(text []byte, kind Kind) (_ *node, _ []complaint, torn bool) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		line := 1 + bytes.Count(text[:invalidAt(text)], []byte("\n"))
		return nil, []complaint{{line, "yaml", "is not UTF-8 here; save the file as UTF-8"}}, false
	}
	words := lexer.Tokenize(string(text))
	if line := tooDeep(words); line > 0 {
		return nil, []complaint{nested(line)}, false
	}
	file, err := parser.Parse(words, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if root, complaints := parseSections(text); len(complaints) > 0 {
			return root, complaints, true
		}
		return nil, []complaint{syntax(err, text)}, false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil, []complaint{{1, "yaml", "the file holds no " + kind.Name + "; begin with a copy of " + kind.Sample}}, false
	case 1:
	default:
		return nil, []complaint{{bodies[1].GetToken().Position.Line, "yaml", "a second document begins here; keep one and remove the line ---"}}, false
	}
	var r reader
	root := r.node(bodies[0], "")
	if root.shape != mapping && root.shape != broken {
		return nil, []complaint{{root.line, "yaml", fmt.Sprintf("must hold keys as %s does, is %v", kind.Sample, root.shape)}}, false
	}
	return root, r.complaints, false
}

func invalidAt(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// A reader turns the parser's nodes into ours.
type reader struct{ complaints []complaint }

func (r *reader) node(n ast.Node, path string) *node {
	switch n := n.(type) {
	case nil:
		return &node{}
	case *ast.NullNode:
		return &node{line: lineOf(n)}
	case *ast.LiteralNode:
		return &node{line: lineOf(n), shape: single, text: n.Value.Value}
	case *ast.StringNode:
		return &node{line: lineOf(n), shape: single, text: n.Value, cut: isCut(n.GetToken())}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{line: lineOf(n), shape: single, text: n.GetToken().Value, cut: isCut(n.GetToken())}
	case *ast.SequenceNode:
		return r.list(n, path)
	case *ast.MappingNode:
		return r.mapping(lineOf(n), n.Values, path)
	case *ast.MappingValueNode:
		return r.mapping(lineOf(n), []*ast.MappingValueNode{n}, path)
	}
	r.complain(lineOf(n), path, "anchors, aliases and tags are not read; write the value out")
	return &node{line: lineOf(n), shape: broken}
}

func (r *reader) list(n *ast.SequenceNode, path string) *node {
	made := &node{line: lineOf(n), shape: list}
	for i, value := range n.Values {
		one := r.node(value, fmt.Sprintf("%s[%d]", path, i))
		if one.line == 0 {
			one.line = made.line
		}
		made.entries = append(made.entries, entry{line: one.line, value: one})
	}
	return made
}

func (r *reader) mapping(line int, values []*ast.MappingValueNode, path string) *node {
	made := &node{line: line, shape: mapping}
	seen := map[string]int{}
	for _, value := range values {
		at := value.Key.GetToken()
		key, ok := r.key(value.Key, at, path)
		if !ok {
			continue
		}
		if first := seen[key]; first > 0 {
			r.complain(at.Position.Line, join(path, key), fmt.Sprintf("stands here a second time (first in line %d); keep one", first))
			continue
		}
		seen[key] = at.Position.Line
		one := r.node(value.Value, join(path, key))
		if one.line == 0 {
			one.line = at.Position.Line
		}
		made.entries = append(made.entries, entry{key: key, line: at.Position.Line, value: one})
	}
	return made
}

// key returns the text of a key, or complains.
func (r *reader) key(n ast.MapKeyNode, at *token.Token, path string) (string, bool) {
	if n.IsMergeKey() {
		r.complain(at.Position.Line, path, "<< is not read; write the keys out")
		return "", false
	}
	key := at.Value
	if s, ok := n.(*ast.StringNode); ok {
		key = s.Value
	}
	if !keyPattern.MatchString(key) {
		r.complain(at.Position.Line, path, "has a key that is none; keys are letters, digits, _, . and -, with a colon and a space behind")
		return "", false
	}
	return key, true
}

func (r *reader) complain(line int, path, text string) {
	r.complaints = append(r.complaints, complaint{line, path, text})
}

// isCut reports whether an unquoted value ends at a # that no space follows.
func isCut(at *token.Token) bool {
	next := at.Next
	return at.Type != token.DoubleQuoteType && at.Type != token.SingleQuoteType && next != nil && next.Type == token.CommentType &&
		next.Position.Line == at.Position.Line && next.Value != "" && !strings.HasPrefix(next.Value, " ")
}

func lineOf(n ast.Node) int { return n.GetToken().Position.Line }

// join appends a key to the path of the mapping it stands in.
func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}
