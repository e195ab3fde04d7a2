package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/simulator"
)

// siteAnswer is what POST /siteverify said.
type siteAnswer struct {
	answer
	Success    bool      `json:"success"`
	At         time.Time `json:"challenge_ts"`
	ErrorCodes []string  `json:"error-codes"`
}

// String is the answer, and what a library that knows nothing of us sees.
func (a siteAnswer) String() string {
	return strings.Join(append([]string{a.Decision, a.Reason, a.Mode, fmt.Sprint(a.Success)}, a.ErrorCodes...), " ")
}

// siteForm is a user's question as a library sends it.
func siteForm(f fields) url.Values {
	text, _ := json.Marshal(fields{"v": 1, "ticket": f["ticket"], "randstr": f["randstr"], "captcha_app_id": simulator.DefaultAppID})
	return url.Values{
		"secret": {"shop-key-0123456789"}, "response": {base64.RawURLEncoding.EncodeToString(text)},
		"remoteip": {f["user_ip"].(string)}, "scene": {f["scene"].(string)},
	}
}

// site sends a form to POST /siteverify.
func (h *house) site(form url.Values) siteAnswer {
	h.t.Helper()
	w, _ := h.send(h.public, "POST", "/siteverify", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	return h.siteAnswered(w)
}

func (h *house) siteAnswered(w *httptest.ResponseRecorder) (a siteAnswer) {
	h.t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		h.t.Fatalf("%d %s (%v)", w.Code, w.Body, err)
	}
	a.Replay = w.Header().Get("Idempotent-Replay") == "true"
	return a
}

// says checks what POST /siteverify answered.
func (h *house) says(name string, a siteAnswer, want string) {
	h.t.Helper()
	if a.String() != want || (a.Challenge != nil) != (a.Decision == "challenge") || a.At.IsZero() {
		h.t.Errorf("%s: %s at %v, challenge %s; want %s", name, a, a.At, a.Challenge, want)
	}
}

// What a library sees through a day: the API's verdicts, an outage in scenes of each
// action, and the solution of a challenge.
func TestSiteverify_AnswersThroughAnOutage(t *testing.T) {
	long(t)
	inHouse(t, shopAndBlog, func(h *house) {
		for kind, want := range map[string]string{
			simulator.TicketValid:   "allow verified normal true",
			simulator.TicketForged:  "deny rejected normal false invalid-input-response",
			simulator.TicketExpired: "deny rejected normal false timeout-or-duplicate",
			simulator.TicketUsed:    "deny rejected normal false timeout-or-duplicate",
			simulator.TicketEvil:    "deny malicious normal false invalid-input-response",
		} {
			h.says(kind, h.site(siteForm(h.user("login", kind))), want)
		}
		used := siteForm(h.user("login", simulator.TicketValid))
		h.site(used)
		h.says("the same ticket again", h.site(used), "deny rejected normal false timeout-or-duplicate")

		h.throws(`{"mode":"degraded","reason":"the API is down"}`)
		h.says("allow", h.site(siteForm(h.user("comment", simulator.TicketValid))), "allow degraded_allow degraded true")
		h.says("deny", h.site(siteForm(h.user("payment", simulator.TicketValid))), "deny degraded_deny degraded false internal-error")
		asked := siteForm(h.user("login", simulator.TicketValid))
		a := h.site(asked)
		h.says("challenge", a, "challenge challenge_required degraded false")
		asked.Set("response", h.solve(a.Challenge))
		h.says("solved", h.site(asked), "allow challenge_solved degraded true")
		h.says("solved once", h.site(asked), "deny challenge_failed degraded false invalid-input-response")
		disaster := siteForm(h.user("login", simulator.TicketValid))
		disaster.Set("response", fmt.Sprintf("trerror_1001_%d_%d", simulator.DefaultAppID, time.Now().Unix()))
		h.says("a disaster ticket", h.site(disaster), "challenge challenge_required degraded false")
	})
}

// A key of the backend's repeats the answer, and one that was used for something else
// is told as a mistake.
func TestSiteverify_RepeatsTheAnswer(t *testing.T) {
	inHouse(t, shopAndBlog, func(h *house) {
		form := siteForm(h.user("login", simulator.TicketValid))
		form.Set("idempotency_key", "7a0b3f9c-0000-4000-8000-000000000000")
		first, again := h.site(form), h.site(form)
		if first.Replay || !again.Replay || again.ID != first.ID || again.String() != "allow verified normal true" || again.At != first.At {
			t.Errorf("%+v, then %+v", first, again)
		}
		form.Set("scene", "payment")
		if a := h.site(form); !slices.Equal(a.ErrorCodes, []string{"bad-request"}) || a.Decision != "" {
			t.Errorf("for another scene: %+v", a)
		}
		if n := h.sim.Stats().Requests; n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// At reCAPTCHA's own path the answer is the same, but for a list of errors that is empty.
func TestSiteverify_LeavesOutNoErrorsAtRecaptchasPath(t *testing.T) {
	inHouse(t, shopAndBlog, func(h *house) {
		at := func(path string, f fields) string {
			w, _ := h.send(h.public, "POST", path, siteForm(f).Encode(), "Content-Type", "application/x-www-form-urlencoded")
			return w.Body.String()
		}
		const ours, theirs, list = "/siteverify", "/recaptcha/api/siteverify", `"error-codes"`
		expect := func(name, answer, part string, errors string) {
			t.Helper()
			if !strings.Contains(answer, part) || strings.Contains(answer, list) != (errors != "") || !strings.Contains(answer, errors) {
				t.Errorf("%s: %s", name, answer)
			}
		}
		expect("verified", at(theirs, h.user("login", simulator.TicketValid)), `"success":true`, "")
		expect("verified as ever", at(ours, h.user("login", simulator.TicketValid)), `"success":true`, list+":[]")
		expect("rejected", at(theirs, h.user("login", simulator.TicketForged)), `"success":false`, list+`:["invalid-input-response"]`)
		h.throws(`{"mode":"degraded","reason":"the API is down"}`)
		expect("a challenge", at(theirs, h.user("login", simulator.TicketValid)), `"challenge":{`, "")
		expect("a challenge as ever", at(ours, h.user("login", simulator.TicketValid)), `"challenge":{`, list+":[]")
	})
}

// A5: a refusal is counted as what /v1/verify would have answered, a decision as such;
// and what is refused asks nobody, and stands in no log.
func TestSiteverify_CountsWhatItRefuses(t *testing.T) {
	inHouse(t, func(c *config.Config) { shopAndBlog(c); c.Log.Decisions = "all" }, func(h *house) {
		user := h.user("comment", simulator.TicketValid)
		for _, change := range []struct{ name, value string }{
			{"secret", ""}, {"secret", "CANARY-secret"}, {"remoteip", ""}, {"remoteip", "CANARY-address"}, {"scene", "CANARY-scene"}, {"idempotency_key", "CANARY\x01"},
		} {
			form := siteForm(user)
			form.Set(change.name, change.value)
			if a := h.site(form); a.Success || a.Decision != "" {
				t.Errorf("%s %q: %+v", change.name, change.value, a)
			}
			h.untouched(change.name)
		}
		denied := siteForm(user)
		denied.Set("response", "CANARY-response")
		h.says("a response that is none", h.site(denied), "deny rejected normal false invalid-input-response")
		h.untouched("a response that is none")
		other := siteForm(h.user("login", simulator.TicketValid))
		other.Set("secret", "blog-key-0123456789")
		h.site(other)
		h.untouched("another's scene")
		for _, line := range []string{
			`captchagate_refused_total{status="401"} 2`, `captchagate_refused_total{status="400"} 4`, `captchagate_refused_total{status="403"} 1`,
			`captchagate_decisions_total{cause="",decision="deny",reason="rejected",scene="comment"} 1`,
		} {
			if !strings.Contains(h.metrics(), line) {
				t.Errorf("/metrics has no %s", line)
			}
		}
		for _, secret := range []string{"CANARY", "shop-key", "blog-key", user["ticket"].(string), denied.Get("response"), user["user_ip"].(string)} {
			if strings.Contains(h.log.String(), secret) {
				t.Errorf("the log holds %s", secret)
			}
		}
	})
}
