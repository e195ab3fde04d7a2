package demo_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"captchagate/web/demo"
)

// Users return from an outage, or because an operator let go: the page says which,
// whatever came before.
func TestStatus_SaysWhyUsersReturn(t *testing.T) {
	const (
		lifted = `{"at":"2026-11-30T07:00:04Z","from":"closed","to":"recovering","evidence":"e"}`
		back   = `{"at":"2026-11-30T07:00:04Z","from":"half_open","to":"recovering","evidence":"e"}`
	)
	for _, row := range []struct{ name, state, transitions, circuit, told string }{
		{"an operator let go, after an outage", "recovering", lifted + "," + back, "lifted", "Users return little by little: the operator let go"},
		{"an outage ended, after an operator's order", "recovering", back + "," + lifted, "recovering", "The API is back: users return little by little"},
		{"over", "closed", lifted, "closed", "Users return little by little: the operator let go"},
	} {
		t.Run(row.name, func(t *testing.T) {
			circuit, events := statusOf(t, `{"mode":"degraded","breaker":{"state":"`+row.state+`","transitions":[`+row.transitions+`]}}`, "", "")
			if circuit != row.circuit {
				t.Errorf("the circuit is %q", circuit)
			}
			if !slices.Contains(events, row.told) {
				t.Errorf("it tells %q", events)
			}
		})
	}
}

// That the API is there does not mean that users are verified: the page's state says so,
// and its list when that began.
func TestStatus_SaysWhyNobodyIsVerified(t *testing.T) {
	for _, row := range []struct{ name, status, summary, circuit, told string }{
		{"all is well", `"breaker":{"state":"closed"},"account":{"state":"ok"},"upstream":{"throttled":null}`, "circuit closed to open: e", "closed", ""},
		{"refused", `"breaker":{"state":"closed"},"account":{"state":"refused"}`, "account refused: AuthFailure", "refused", "Account refused: AuthFailure"},
		{"suspect", `"breaker":{"state":"closed"},"account":{"state":"suspect"}`, "app 1 is suspect", "suspect", "App 1 is suspect"},
		{"throttled", `"breaker":{"state":"closed"},"account":{"state":"ok"},"upstream":{"throttled":{"since":"2026-11-30T07:00:04Z","users":600,"unverified":600}}`, "the Captcha API throttles us", "throttled", "The Captcha API throttles us"},
		{"away comes first", `"breaker":{"state":"open"},"account":{"state":"suspect"},"upstream":{"throttled":{"users":1}}`, "app 1 is suspect", "open", "App 1 is suspect"},
	} {
		t.Run(row.name, func(t *testing.T) {
			circuit, events := statusOf(t, `{"mode":"normal",`+row.status+`}`, `{"at":"2026-11-30T07:00:04Z","kind":"transition","actor":"gateway","summary":"`+row.summary+`"}`, "")
			if circuit != row.circuit || strings.Join(events, "; ") != row.told {
				t.Errorf("it says %q and tells %q", circuit, events)
			}
		})
	}
}

// statusOf is what the demonstration makes of a gateway's status and audit, after
// a login that was answered as verified says; "" for none.
func statusOf(t *testing.T, status, audit, verified string) (circuit string, events []string) {
	t.Helper()
	others := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"kind":"none"}`
		switch r.URL.Path {
		case "/admin/v1/status":
			answer = status
		case "/admin/v1/audit":
			answer = `{"entries":[` + audit + `]}`
		case "/v1/verify":
			answer = verified
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer others.Close()
	d, err := demo.New(demo.Config{Gateway: others.URL, Admin: others.URL, Simulator: others.URL})
	if err != nil {
		t.Fatal(err)
	}
	if verified != "" {
		login := httptest.NewRequest("POST", "/demo/login", strings.NewReader("scene=login&ticket=t&randstr=r"))
		login.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		d.ServeHTTP(httptest.NewRecorder(), login)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest("GET", "/demo/status", nil))
	var s struct {
		Circuit string
		Events  []struct{ Text string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	for _, e := range s.Events {
		events = append(events, e.Text)
	}
	return s.Circuit, events
}

// The list of events says what became of a user in words, and not by the gateway's names.
func TestLogin_IsToldInWords(t *testing.T) {
	for answer, told := range map[string]string{
		`"allow","reason":"verified","assurance":"full"`:            "verified by the API",
		`"allow","reason":"challenge_solved","assurance":"reduced"`: "let in without the API, the challenge is solved",
		`"allow","reason":"degraded_allow","assurance":"none"`:      "let in without the API",
		`"challenge","reason":"challenge_required"`:                 "asked for the challenge",
		`"deny","reason":"challenge_failed"`:                        "denied, the solution of the challenge is no good",
		`"deny","reason":"degraded_deny"`:                           "denied without the API",
		`"deny","reason":"rejected"`:                                "denied, the API says that the ticket is no good",
		`"deny","reason":"malicious"`:                               "denied, the API says that this is an attack",
		`"challenge","reason":"outcome_unknown"`:                    "asked for the challenge, the ticket may be used up",
	} {
		_, events := statusOf(t, `{}`, "", `{"decision":`+answer+`}`)
		if want := "You, login: " + told; !slices.Equal(events, []string{want}) {
			t.Errorf("of %s it tells %q, want %q", answer, events, want)
		}
	}
}

// A list of events that is cut says so.
func TestStatus_SaysThatEventsAreCut(t *testing.T) {
	for n, cut := range map[int]bool{30: false, 31: true} {
		entries := strings.TrimSuffix(strings.Repeat(`{"at":"2026-11-30T07:00:04Z","kind":"switch","actor":"ops","summary":"s"},`, n), ",")
		others := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := `{"kind":"none"}`
			if r.URL.Path == "/admin/v1/audit" {
				answer = `{"entries":[` + entries + `]}`
			}
			_, _ = io.WriteString(w, answer)
		}))
		defer others.Close()
		d, err := demo.New(demo.Config{Gateway: others.URL, Admin: others.URL, Simulator: others.URL})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest("GET", "/demo/status", nil))
		var s struct {
			Cut    bool
			Events []struct{}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || s.Cut != cut || len(s.Events) != 30 {
			t.Errorf("of %d events: %v, cut %t, %d shown", n, err, s.Cut, len(s.Events))
		}
	}
}
