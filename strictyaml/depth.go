package strictyaml

import (
	"regexp"
	"strings"
)

// maxDepth is how deep lists and mappings may stand in each other. Files that people write
// go down five or six; the parser takes time and memory with the square of the depth.
const maxDepth = 64

var (
	quotedText = regexp.MustCompile(`(^|[\s\[{,:])("(\\.|[^"\\])*"|'[^']*')`)
	comment    = regexp.MustCompile(`(^|\s)#.*`)
)

// tooDeep returns the line in which a text goes below maxDepth, and 0 if it does not. It
// looks at indentation, at what begins an entry, and at brackets, before anything is parsed:
// quotes over several lines it does not know, and counts the brackets in them.
func tooDeep(text string) (line int) {
	var indents []int // of the blocks that are open
	brackets := 0
	for written := range strings.Lines(text) {
		line++
		rest := comment.ReplaceAllString(quotedText.ReplaceAllString(strings.TrimRight(written, "\r\n"), "$1"), "")
		if content := strings.TrimLeft(rest, " \t"); content != "" {
			indents = blocksOf(indents, rest, len(rest)-len(content))
		}
		for _, r := range rest {
			switch r {
			case '[', '{':
				brackets++
			case ']', '}':
				brackets = max(0, brackets-1)
			}
			if len(indents)+brackets > maxDepth {
				return line
			}
		}
	}
	return 0
}

// blocksOf is which blocks are open in a line whose text begins at a column: each that is
// indented less, the line's own, and one more behind each "- " and "? ".
func blocksOf(open []int, line string, at int) []int {
	for len(open) > 0 && open[len(open)-1] >= at {
		open = open[:len(open)-1]
	}
	for open = append(open, at); at < len(line) && len(open) <= maxDepth; open = append(open, at) {
		if line[at] != '-' && line[at] != '?' || at+1 < len(line) && line[at+1] != ' ' && line[at+1] != '\t' {
			break
		}
		for at++; at < len(line) && (line[at] == ' ' || line[at] == '\t'); at++ {
		}
	}
	return open
}
