package strictyaml_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"captchagate/strictyaml"
)

// indented is a mapping in a mapping, n deep.
func indented(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return text.String()
}

// What is nested without sense is refused before it is parsed: the parser would take time
// and memory with the square of the depth.
func TestParse_RefusesWhatIsNestedTooDeep(t *testing.T) {
	for name, form := range map[string]func(n int) string{
		"lists in brackets":         func(n int) string { return "a: " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n" },
		"brackets that stay":        func(n int) string { return strings.Repeat("[", n) },
		"mappings in brackets":      func(n int) string { return "a: " + strings.Repeat("{b: ", n) + "1" + strings.Repeat("}", n) + "\n" },
		"brackets line by line":     func(n int) string { return "a:\n" + strings.Repeat(" [\n", n) },
		"both":                      func(n int) string { return indented(n/2) + strings.Repeat(" ", n/2) + strings.Repeat("[", n/2) },
		"lists in lists":            func(n int) string { return strings.Repeat("- ", n) + "a\n" },
		"keys in keys":              func(n int) string { return strings.Repeat("? ", n) + "a\n" },
		"mappings by indenting":     indented,
		"behind an apostrophe":      func(n int) string { return "a: it's\nb: " + strings.Repeat("[", n) + "'\n" },
		"behind a quote that stays": func(n int) string { return "a: \"it\nb: " + strings.Repeat("[", n) + "\nc: 1\n" },
		"lists below each other":    func(n int) string { return "a:\n" + strings.ReplaceAll(indented(n), "a:", "-") },
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{200, 1000} { // a thousand lines, each further in, are half a megabyte
				began := time.Now()
				err := strictyaml.Parse("deep.yaml", []byte(form(n)), strictyaml.Kind{Name: "test", Sample: "sample.yaml"}).Err()
				if err == nil || !strings.Contains(err.Error(), "yaml: is nested more than 64 deep") {
					t.Errorf("%d deep: %.200v", n, err)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("%d deep took %v", n, took)
				}
			}
		})
	}
	err := strictyaml.Parse("deep.yaml", []byte("a: 1\n\nb: "+strings.Repeat("[", 65)), strictyaml.Kind{}).Err()
	if err == nil || !strings.HasPrefix(err.Error(), "deep.yaml:3: yaml: ") {
		t.Errorf("it says %v", err)
	}
}

// What only looks deep is read: brackets in quotes and comments, long lists, wide mappings.
func TestParse_ReadsWhatOnlyLooksDeep(t *testing.T) {
	var wide strings.Builder
	for i := range 300 {
		fmt.Fprintf(&wide, "key%d: {list: [[1, 2], [3]], text: \"[[{\", other: '[[{'} # [[[[\n", i)
	}
	wide.WriteString("plain: a" + strings.Repeat(" [", 100) + "\nlines: \"" + strings.Repeat("[", 50) + "\n  " + strings.Repeat("{", 50) + "\"\n")
	wide.WriteString("block: |\n  [[[[\n" + strings.Repeat(" ", 80) + "x\n  " + strings.Repeat("- ", 80) + "\n")
	for i := range 100 {
		fmt.Fprintf(&wide, "secret%d: a[%d{\n", i, i)
	}
	wide.WriteString("list:\n" + strings.Repeat("  - {a: [1]}\n  -\n    - b\n", 300))
	wide.WriteString("down:\n  a:\n    b:\n      c:\n        - d: [[[[[[[[[[1]]]]]]]]]]\nminus: -1\n")
	if err := strictyaml.Parse("wide.yaml", []byte(wide.String()), strictyaml.Kind{}).Err(); err != nil {
		t.Error(err)
	}
}
