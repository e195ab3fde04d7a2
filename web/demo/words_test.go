package demo_test

import (
	"os"
	"regexp"
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
