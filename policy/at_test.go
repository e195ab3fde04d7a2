package policy_test

import (
	"testing"
	"time"

	"captchagate/policy"
)

func TestDecision_SaysWhenByItsID(t *testing.T) {
	d := policy.Decision{ID: "01980000-0000-7000-8000-000000000000"} // its first 48 bits are milliseconds
	if want := time.UnixMilli(0x019800000000).UTC(); d.At() != want {
		t.Errorf("%v, want %v", d.At(), want)
	}
	if d.ID = ""; !d.At().IsZero() {
		t.Error(d.At())
	}
}
