package captcha_test

import (
	"slices"
	"testing"

	"captchagate/captcha"
)

func TestKind_HasACauseThatIsListed(t *testing.T) {
	want := map[captcha.Kind]captcha.Cause{
		captcha.Fault:          "upstream_fault",
		captcha.Throttled:      "throttled",
		captcha.Misconfigured:  "misconfigured",
		captcha.CircuitOpen:    "circuit_open",
		captcha.Recovering:     "recovering",
		captcha.Overloaded:     "overloaded",
		captcha.OutcomeUnknown: "upstream_fault",
		captcha.Cancelled:      "upstream_fault",
	}
	if len(captcha.Kinds()) != len(want) {
		t.Errorf("%d kinds, want %d", len(captcha.Kinds()), len(want))
	}
	for _, k := range captcha.Kinds() {
		if k.Cause() != want[k] || !slices.Contains(captcha.Causes(), k.Cause()) {
			t.Errorf("%v has the cause %q, want %q", k, k.Cause(), want[k])
		}
	}
}

// Who changes a list that was handed out changes nobody else's.
func TestLists_AreTheCallersOwn(t *testing.T) {
	captcha.Causes()[0], captcha.ErrorCodes()[0] = "changed", 0
	if captcha.Causes()[0] != captcha.CauseBudgetSpent || captcha.ErrorCodes()[0] != 1001 {
		t.Error("a list was changed for everybody")
	}
}

func TestErrorCodes_AreTheDocumentedOnes(t *testing.T) {
	for code := range 2000 {
		want := code >= 1001 && code <= 1014 || code == 1085
		if captcha.KnownErrorCode(code) != want || slices.Contains(captcha.ErrorCodes(), code) != want {
			t.Errorf("%d: known %v, want %v", code, !want, want)
		}
	}
	if !slices.IsSorted(captcha.ErrorCodes()) {
		t.Errorf("not in order: %v", captcha.ErrorCodes())
	}
}
