package captcha_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"captchagate/captcha"
)

func TestForeign_IsShortAndPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"connection refused":        "connection refused",
		"验证通过":                      "验证通过",
		"a\nb\x1b[2J\x00":           "a�b�[2J�",
		"\xff":                      "�",
		strings.Repeat("x", 200):    strings.Repeat("x", 200),
		strings.Repeat("x", 60<<10): strings.Repeat("x", 200) + "…",
		strings.Repeat("码", 100):    strings.Repeat("码", 66) + "…",
	} {
		if got := captcha.Foreign(text); got != want || !utf8.ValidString(got) {
			t.Errorf("%.20q became %q, want %q", text, got, want)
		}
	}
}
