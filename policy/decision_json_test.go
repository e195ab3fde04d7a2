package policy_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"captchagate/captcha"
	"captchagate/policy"
)

// What backends read is written by hand, and must be what encoding/json says.
func TestDecision_WritesTheJSONOfItsTags(t *testing.T) {
	answer := &captcha.Answer{Code: 1, Message: "OK", EvilLevel: 100, Score: 3, RequestID: "6f1b7c2e"}
	rows := map[string]policy.Decision{
		"nothing but an action": {Action: policy.Deny},
		"verified":              {Action: policy.Allow, Reason: policy.ReasonVerified, Assurance: policy.AssuranceFull, Mode: policy.ModeNormal, Answer: answer, Attempts: 3, ID: "01939d5e"},
		"an empty answer":       {Action: policy.Deny, Reason: policy.ReasonRejected, Answer: &captcha.Answer{}},
		"a negative code":       {Action: policy.Deny, Answer: &captcha.Answer{Code: -1, Score: -1 << 63}},
		"over budget":           {Action: policy.Deny, Cause: captcha.CauseBudgetSpent, DegradedBy: captcha.CauseCircuitOpen},
		"a challenge":           {Action: policy.Challenge, Challenge: map[string]any{"signature": "<x>", "cost": 5000}},
		"a challenge of null":   {Action: policy.Challenge, Challenge: json.RawMessage("null")},
	}
	for name, d := range rows {
		if got, want := written(t, &d), tagged(t, d); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestDecision_WritesAnyText(t *testing.T) {
	for _, message := range []string{
		"", " ", "~", "\x1f", "\x7f", `"`, `\`, "<", ">", "&", `a "quoted" word`, `a \ backslash`, "<b>&amp;</b>", "\n\t\x00\x7f", "系统繁忙", "half \xff a character", "\u2028\u2029", "\U0001f600",
	} {
		d := policy.Decision{Action: policy.Deny, Answer: &captcha.Answer{Message: message, RequestID: message}}
		if got, want := written(t, &d), tagged(t, d); got != want {
			t.Errorf("%q:\n got %s\nwant %s", message, got, want)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		d := policy.Decision{
			Action: rapid.SampledFrom([]policy.Action{policy.Allow, policy.Challenge, policy.Deny}).Draw(r, "action"),
			Reason: policy.Reason(rapid.String().Draw(r, "reason")), Cause: captcha.Cause(rapid.String().Draw(r, "cause")),
			DegradedBy: captcha.Cause(rapid.String().Draw(r, "degraded by")), ID: rapid.String().Draw(r, "id"),
			Answer:   &captcha.Answer{Code: rapid.Int64().Draw(r, "code"), Message: string(rapid.SliceOf(rapid.Byte()).Draw(r, "message"))},
			Attempts: rapid.Int().Draw(r, "attempts"),
		}
		if got, want := written(t, &d), tagged(t, d); got != want {
			r.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// A challenge that is none is an error, not half an answer.
func TestDecision_SaysThatAChallengeIsNoJSON(t *testing.T) {
	d := policy.Decision{Action: policy.Challenge, Challenge: func() {}}
	if b, err := d.AppendJSON(nil); err == nil {
		t.Errorf("wrote %s", b)
	}
}

// A new field must not be forgotten: this one has all of them.
func TestDecision_ForgetsNoField(t *testing.T) {
	d := policy.Decision{
		Action: policy.Challenge, Reason: "r", Assurance: "a", Mode: "m", Cause: "c", DegradedBy: "d",
		Answer: &captcha.Answer{Code: 1, Message: "m", EvilLevel: 2, Score: 3, RequestID: "i"}, Attempts: 1, ID: "i", Challenge: 1, OwnCause: "o", Why: "w",
	}
	for _, v := range []reflect.Value{reflect.ValueOf(d), reflect.ValueOf(*d.Answer)} {
		for field, value := range v.Fields() {
			if value.IsZero() {
				t.Errorf("%s is not set here", field.Name)
			}
		}
	}
	if got, want := written(t, &d), tagged(t, d); got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

func written(t *testing.T, d *policy.Decision) string {
	t.Helper()
	b, err := d.AppendJSON([]byte("> "))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func tagged(t *testing.T, d policy.Decision) string {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return "> " + string(b)
}
