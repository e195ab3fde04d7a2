package strictyaml

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// maxDepth is how deep lists and mappings may stand in each other. Files that people write
// go down five or six; the parser takes time and memory with the square of the depth.
const maxDepth = 64

// tooDeep returns the line in which a text goes below maxDepth, and 0 if it does not, by
// its words and before anything is parsed: those in brackets that are open, and those whose
// entries or keys stand further to the right, each in the one before.
func tooDeep(words token.Tokens) (line int) {
	var columns []int // where the open blocks stand
	brackets := 0
	for _, word := range words {
		switch word.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets = max(0, brackets-1)
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			if brackets == 0 {
				columns = blocksAt(columns, columnOf(word))
			}
		default:
		}
		if len(columns)+brackets > maxDepth {
			return word.Position.Line
		}
	}
	return 0
}

// columnOf is where the entry or the key of a word stands: the key of a ":" before it.
func columnOf(word *token.Token) int {
	if word.Type == token.MappingValueType && word.Prev != nil {
		return word.Prev.Position.Column
	}
	return word.Position.Column
}

// blocksAt is which of the open blocks still are where something begins at a column, and
// the one there.
func blocksAt(open []int, column int) []int {
	for len(open) > 0 && open[len(open)-1] >= column {
		open = open[:len(open)-1]
	}
	return append(open, column)
}

func nested(line int) complaint {
	return complaint{line, "yaml", fmt.Sprintf("is nested more than %d deep here, and nothing that is read here is; look at indentation and brackets", maxDepth)}
}
