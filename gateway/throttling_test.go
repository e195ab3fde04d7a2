package gateway_test

import (
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

// An API whose limit keeps everybody from a verdict opens no circuit, and nothing is
// forced. Status, log and audit say it all the same, when it begins and when it is over; it
// is no incident.
func TestThrottling_IsToldWhileNobodyIsVerified(t *testing.T) {
	inTown(t, nil, func(w *town) {
		if th := w.status().Upstream.Throttled; th != nil {
			t.Errorf("before: %+v", th)
		}
		w.breaks(simulator.Fault{Kind: simulator.Throttle})
		for range 70 {
			w.expect("a good user", w.ask(w.user("comment", "valid")), "challenge challenge_required degraded throttled")
			time.Sleep(time.Second)
		}
		st := w.status()
		if th := st.Upstream.Throttled; th == nil || th.Unverified < 55 || th.Unverified > 60 || th.Users != th.Unverified || st.Mode != "normal" {
			t.Errorf("while it throttles: %s, %+v", st.Mode, th)
		}
		w.sim.ClearFault()
		time.Sleep(62 * time.Second)
		w.expect("the next", w.ask(w.user("comment", "valid")), "allow verified normal -")
		if th := w.status().Upstream.Throttled; th != nil {
			t.Errorf("a minute later: %+v", th)
		}
		w.counts("level=WARN msg=\"the Captcha API throttles us", 1)
		w.counts("level=INFO msg=\"the Captcha API throttles us no more\" about=throttling", 1)
		w.counts("users=70 not_verified=70", 1)
		out, _ := w.send(w.operators, "GET", "/admin/v1/audit", "")
		if began, ended := strings.Count(out.Body.String(), "throttles us: users are not verified"), strings.Count(out.Body.String(), "throttles us no more: 70 of 70 users"); began != 1 || ended != 1 {
			t.Errorf("the audit tells %d beginnings and %d ends: %s", began, ended, out.Body)
		}
		if out, _ := w.send(w.operators, "GET", "/admin/v1/incidents", ""); !strings.Contains(out.Body.String(), `"incidents":[]`) {
			t.Errorf("the incidents are %s", out.Body)
		}
	})
}

// counts checks how many lines of the log have a text.
func (w *town) counts(text string, want int) {
	w.t.Helper()
	if n := strings.Count(w.log.String(), text); n != want {
		w.t.Errorf("%d lines with %q, want %d:\n%s", n, text, want, w.log.String())
	}
}
