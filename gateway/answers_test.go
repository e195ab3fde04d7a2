package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// docs/answers.md explains every reason, every cause and every CaptchaCode that the
// gateway knows, and none besides.
func TestAnswers_AreAllExplained(t *testing.T) {
	text, err := os.ReadFile("../docs/answers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sections, _ := strings.Cut(string(text), "\n## `reason`")
	reasons, rest, _ := strings.Cut(sections, "\n## `cause`")
	causes, codes, _ := strings.Cut(rest, "\n## `captcha.code`")
	explained(t, "reason", reasons, "`", constantsOf(t, "../policy/decision.go", "Reason"))
	explained(t, "cause", causes, "`", constantsOf(t, "../captcha/cause.go", "Cause"))
	inHouse(t, nil, func(h *house) {
		var known []string
		for labels := range h.series("captchagate_captcha_codes_total") {
			if code := regexp.MustCompile(`\d+`).FindString(labels); code != "" {
				known = append(known, code)
			}
		}
		explained(t, "code", codes, "", known)
	})
}

// explained holds the first column of a section's table against what there is.
func explained(t *testing.T, what, section, quote string, known []string) {
	t.Helper()
	there := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(section, -1) {
		for _, word := range regexp.MustCompile(quote+`\b([a-z_]+|\d+)\b`+quote).FindAllStringSubmatch(row[1], -1) {
			there[word[1]] = true
		}
	}
	if len(known) < 5 {
		t.Errorf("only %v were found of each %s", known, what)
	}
	for _, one := range known {
		if !there[one] {
			t.Errorf("docs/answers.md does not explain the %s %s", what, one)
		}
		delete(there, one)
	}
	for _, heading := range []string{what, "formerly"} {
		delete(there, heading)
	}
	for one := range there {
		t.Errorf("docs/answers.md explains the %s %s, which there is not", what, one)
	}
}

// constantsOf are the texts of all constants of a type in a file, but for "".
func constantsOf(t *testing.T, path, name string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for n := range ast.Preorder(file) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			continue
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != name {
			continue
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				continue
			}
			if text, err := strconv.Unquote(literal.Value); err == nil && text != "" {
				values = append(values, text)
			}
		}
	}
	return values
}
