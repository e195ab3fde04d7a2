package strictyaml

import (
	"slices"
	"strings"
)

// unsupported is what a reserved key says that is not off.
const unsupported = "is not supported by this version yet; leave it out"

// Reserve names keys, each with its full path, which are known and come with a
// later version. A file may say that one is off, with one of the values given or
// with an empty list or mapping, and nothing comes of it. Any other value is a
// mistake, so that no file says something which is not done. It must be called
// before Decode.
func (d *Document) Reserve(off map[string][]string) { d.reserved = off }

// reserve reports whether an entry stands under a reserved key or holds some,
// and takes it.
func (d *Document) reserve(e entry, path string) bool {
	if off, is := d.reserved[path]; is {
		if !d.isOff(e.value, off) {
			d.mistake(Mistake{File: d.file, Line: e.line, Key: path, Text: unsupported})
		}
		return true
	}
	below := d.reservedBelow(path)
	if len(below) == 0 {
		return false
	}
	if d.is(e.value, mapping, path) {
		for _, one := range e.value.entries {
			if at := join(path, one.key); !d.reserve(one, at) {
				d.mistake(Mistake{File: d.file, Line: one.line, Key: at, Text: unknownKey(one.key, below)})
			}
		}
	}
	return true
}

// reservedBelow lists the reserved keys of a section.
func (d *Document) reservedBelow(path string) (keys []string) {
	for key := range d.reserved {
		if rest, below := strings.CutPrefix(key, path+"."); below {
			keys = append(keys, rest)
		}
	}
	slices.Sort(keys)
	return keys
}

func (d *Document) isOff(n *node, off []string) bool {
	if n.shape != single {
		return len(n.entries) == 0
	}
	text, _ := d.expand(n.text)
	return slices.Contains(off, text)
}
