package gateway_test

import (
	"fmt"
	"maps"
	"testing"

	"captchagate/simulator"
)

// What the Captcha API itself decides, in normal mode and without a cause.
func TestSituations_TheAPIDecides(t *testing.T) {
	code := func(code, evil int) string {
		return fmt.Sprintf(`{"Response":{"CaptchaCode":%d,"CaptchaMsg":"scripted","EvilLevel":%d,"RequestId":"r"}}`, code, evil)
	}
	failed := func(code string) string {
		return `{"Response":{"Error":{"Code":"` + code + `","Message":"scripted"},"RequestId":"r"}}`
	}
	inHouse(t, twoApps, func(h *house) {
		for _, row := range []struct {
			name, kind, script string
			change             fields
			want               string
			captcha            int // 0 = none was parsed
		}{
			{name: "code 1", kind: "valid", want: "allow verified normal -", captcha: 1},
			{name: "code 1 at EvilLevel 100", kind: "evil", want: "deny malicious normal -", captcha: 1},
			{name: "code 7", kind: "valid", change: fields{"randstr": "@other"}, want: "deny rejected normal -", captcha: 7},
			{name: "code 8", kind: "expired", want: "deny rejected normal -", captcha: 8},
			{name: "code 9, no attempt of ours before", kind: "used", want: "deny rejected normal -", captcha: 9},
			{name: "code 15", kind: "forged", want: "deny rejected normal -", captcha: 15},
			{name: "code 16", kind: "valid", change: fields{"captcha_app_id": secondApp}, want: "deny rejected normal -", captcha: 16},
			{name: "code 25 of the mini action", kind: "valid", change: fields{"type": "mini"}, want: "deny rejected normal -", captcha: 25},
			{name: "code 21", kind: "valid", script: code(21, 0), want: "deny rejected normal -", captcha: 21},
			{name: "code 100", kind: "valid", script: code(100, 0), want: "deny rejected normal -", captcha: 100},
			{name: "code 104, once the word for 9", kind: "valid", script: code(104, 0), want: "deny rejected normal -", captcha: 104},
			{name: "code 6, historic", kind: "valid", script: code(6, 0), want: "deny rejected normal -", captcha: 6},
			{name: "code 999, unknown", kind: "valid", script: code(999, 0), want: "deny rejected normal -", captcha: 999},
			{name: "code 0", kind: "valid", script: code(0, 0), want: "deny rejected normal -", captcha: 0},
			{name: "a negative code", kind: "valid", script: code(-1, 0), want: "deny rejected normal -", captcha: -1},
			{name: "a bad code at EvilLevel 100", kind: "valid", script: code(15, 100), want: "deny rejected normal -", captcha: 15},
			{name: "InvalidParameter", kind: "valid", script: failed("InvalidParameter"), want: "deny rejected normal -"},
			{name: "InvalidParameterValue.Ticket", kind: "valid", script: failed("InvalidParameterValue.Ticket"), want: "deny rejected normal -"},
			{name: "MissingParameter", kind: "valid", script: failed("MissingParameter"), want: "deny rejected normal -"},
			{name: "UnknownParameter", kind: "valid", script: failed("UnknownParameter"), want: "deny rejected normal -"},
		} {
			for _, scene := range []string{"comment", "login", "payment"} {
				h.scripts(row.script)
				f := h.user(scene, row.kind)
				f["captcha_app_id"] = simulator.DefaultAppID
				maps.Copy(f, row.change)
				a := h.ask(f)
				h.expect(row.name+" on "+scene, a, row.want)
				if a.Attempts != 1 || a.code() != row.captcha {
					t.Errorf("%s on %s: %d attempts and code %d, want 1 and %d", row.name, scene, a.Attempts, a.code(), row.captcha)
				}
				if want := map[bool]string{true: "full", false: "none"}[a.Decision == "allow"]; a.Assurance != want {
					t.Errorf("%s on %s: assurance %s, want %s", row.name, scene, a.Assurance, want)
				}
			}
		}
		if b := h.status(); b.Breaker.Failures != 0 || b.Breaker.ConsecutiveFailures != 0 || b.Breaker.State != "closed" || b.Account.State != "ok" {
			t.Errorf("a ticket moved a circuit: %+v %+v", b.Breaker, b.Account)
		}
	})
}

// code is the last parsed CaptchaCode, 0 where there was none.
func (a answer) code() int {
	if a.Captcha == nil {
		return 0
	}
	return a.Captcha.Code
}
