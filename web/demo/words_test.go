package demo_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"captchagate/captcha"
)

// The page cannot import the list of causes: this holds its copy against it.
func TestPage_ExplainsEveryCause(t *testing.T) {
	script, err := os.ReadFile("page/demo.js")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?s)const causes = \{(.*?)\};`).FindSubmatch(script)
	if list == nil {
		t.Fatal("demo.js has no list of causes")
	}
	explained := map[captcha.Cause]bool{}
	for _, key := range regexp.MustCompile(`(\w+): "`).FindAllSubmatch(list[1], -1) {
		explained[captcha.Cause(key[1])] = true
	}
	for _, c := range captcha.Causes() {
		if !explained[c] {
			t.Errorf("demo.js does not explain %q", c)
		}
		delete(explained, c)
	}
	for c := range explained {
		t.Errorf("demo.js explains %q, which is no cause", c)
	}
}

// A colour means the same to somebody who sees the demonstration and then the
// report of a load test.
func TestPage_HasTheReportsColours(t *testing.T) {
	colours := func(path, pattern string) map[string]string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found[m[1]] += m[2]
		}
		return found
	}
	const four = `--(verified|allowed|challenged|denied): `
	page := colours("page/demo.css", four+`light-dark\((#\w+, #\w+)\)`)
	report := colours("../../chart/template/chart.css", four+`(#\w+);`)
	if len(page) != 4 {
		t.Fatalf("demo.css has %v", page)
	}
	for meaning, pair := range page {
		if want := report[meaning]; strings.ReplaceAll(pair, ", ", "") != want {
			t.Errorf("%s is %s in the demonstration, and %s in the report", meaning, pair, want)
		}
	}
}

// The page says what is let in of comments, as the demonstration's configuration has it.
func TestPage_SaysTheBudget(t *testing.T) {
	page, err := os.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	configuration, err := os.ReadFile("../../configs/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const budget = "budget: {per_ip: 10/m, per_subject: 5/m, total: 200/s, for: 15m}\n    over_budget: challenge"
	if !strings.Contains(string(configuration), budget) {
		t.Errorf("configs/demo.yaml has another budget than %q; say the new one on the page", budget)
	}
	for _, want := range []string{"everybody, 5 a minute each", "5 a minute of a user, 10 of an address, 200 a second of all, for 15 minutes; beyond it they meet the challenge"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
