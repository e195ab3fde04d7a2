package report

import (
	"slices"
	"strings"
)

// fileDiffers names the sections of a scenario's file that differ, but for those
// that are told otherwise.
func fileDiffers(a, b string, told ...string) (names []string) {
	one, other := sections(a), sections(b)
	for _, s := range []map[string]string{one, other} {
		for name := range s {
			if one[name] != other[name] && !slices.Contains(told, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// sections are a scenario's text by the names of its first level, as told apart
// by who stands leftmost: the report reads no YAML, for a run may come from
// another version. Empty lines and those of comments mean nothing.
func sections(source string) map[string]string {
	all, name := map[string]string{}, "what is no section"
	for line := range strings.Lines(source) {
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		if head, _, ok := strings.Cut(line, ":"); ok && strings.Trim(head, "abcdefghijklmnopqrstuvwxyz_") == "" {
			name = head
		}
		all[name] += strings.TrimRight(line, " \t\r\n") + "\n"
	}
	return all
}
