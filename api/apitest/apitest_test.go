package apitest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"captchagate/api/apitest"
)

// listener is a testing.TB that remembers what it was told instead of failing.
type listener struct {
	testing.TB
	heard []string
}

func (l *listener) Helper() {}

func (l *listener) Errorf(format string, args ...any) {
	l.heard = append(l.heard, fmt.Sprintf(format, args...))
}

const (
	id       = `"decision_id":"01980000-0000-7000-8000-000000000000"`
	answered = `"captcha":{"code":1,"message":"OK","evil_level":0,"score":3,"request_id":"r"}`
	reused   = `"captcha":{"code":9,"message":"reused","evil_level":0,"score":3,"request_id":"r"}`
	puzzle   = `{"parameters":{"algorithm":"PBKDF2/SHA-256","nonce":"00112233445566778899aabbccddeeff","salt":"00112233445566778899aabbccddeeff",` +
		`"cost":5000,"keyLength":32,"keyPrefix":"00","expiresAt":1700000000,"data":{"scene":"login"}},` +
		`"signature":"0000000000000000000000000000000000000000000000000000000000000000"}`
)

func decision(fields ...string) string {
	return "{" + strings.Join(append(fields, id), ",") + "}"
}

// says fills in the four fields that every decision has first.
func says(decision, reason, assurance, mode string, attempts int) string {
	return fmt.Sprintf(`"decision":%q,"reason":%q,"assurance":%q,"mode":%q,"attempts":%d`,
		decision, reason, assurance, mode, attempts)
}

// typed is the header of an answer of this type.
func typed(contentType string) http.Header {
	return http.Header{"Content-Type": {contentType}, "X-Request-Id": {"r1"}}
}

func verdicts(t *testing.T, body string) []string {
	t.Helper()
	const asked = `{"ticket":"t03","randstr":"@a","user_ip":"192.0.2.1"}`
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/verify", strings.NewReader(asked))
	req.Header.Set("Content-Type", "application/json")
	l := &listener{TB: t}
	apitest.Check(l, req, []byte(asked), http.StatusOK, typed("application/json"), []byte(body))
	return l.heard
}

func TestCheck_AcceptsEveryKindOfDecision(t *testing.T) {
	for name, body := range map[string]string{
		"verified":                  decision(says("allow", "verified", "full", "normal", 1), answered),
		"rejected by the API":       decision(says("deny", "rejected", "none", "normal", 1), reused),
		"passed, and let in before": decision(says("deny", "rejected", "none", "normal", 1), answered),
		"rejected unasked":          decision(says("deny", "rejected", "none", "normal", 0)),
		"let through before":        decision(says("deny", "rejected", "none", "degraded", 0), `"cause":"circuit_open"`),
		"malicious":                 decision(says("deny", "malicious", "none", "normal", 1), strings.Replace(answered, `level":0`, `level":100`, 1)),
		"solved":                    decision(says("allow", "challenge_solved", "reduced", "degraded", 0), `"cause":"circuit_open"`),
		"solved after a fault":      decision(says("allow", "challenge_solved", "reduced", "degraded", 0), `"cause":"upstream_fault"`),
		"failed":                    decision(says("deny", "challenge_failed", "none", "normal", 0)),
		"failed while degraded":     decision(says("deny", "challenge_failed", "none", "degraded", 0), `"cause":"forced"`),
		"to be challenged":          decision(says("challenge", "challenge_required", "none", "degraded", 0), `"cause":"throttled"`, `"challenge":`+puzzle),
		"let through":               decision(says("allow", "degraded_allow", "none", "degraded", 2), `"cause":"upstream_fault"`),
		"over budget":               decision(says("deny", "degraded_deny", "none", "degraded", 0), `"cause":"budget_spent"`, `"degraded_by":"recovering"`),
		"forced normal":             decision(says("deny", "degraded_deny", "none", "normal", 0), `"cause":"circuit_open"`),
		"unknown, allowed":          decision(says("allow", "outcome_unknown", "none", "degraded", 2), `"cause":"upstream_fault"`, reused),
		"unknown, to challenge":     decision(says("challenge", "outcome_unknown", "none", "degraded", 2), `"cause":"upstream_fault"`, reused, `"challenge":`+puzzle),
		"unknown, and over budget":  decision(says("deny", "outcome_unknown", "none", "degraded", 1), `"cause":"budget_spent"`, `"degraded_by":"upstream_fault"`, reused),
	} {
		t.Run(name, func(t *testing.T) {
			if heard := verdicts(t, body); len(heard) != 0 {
				t.Error(heard)
			}
		})
	}
}

func TestCheck_RefusesDecisionsThatContradictThemselves(t *testing.T) {
	for name, body := range map[string]string{
		"verified without an answer":     decision(says("allow", "verified", "full", "normal", 1)),
		"verified without a call":        decision(says("allow", "verified", "full", "normal", 0), answered),
		"verified with a cause":          decision(says("allow", "verified", "full", "normal", 1), answered, `"cause":"forced"`),
		"verified by another code":       decision(says("allow", "verified", "full", "normal", 1), reused),
		"verified and denied":            decision(says("deny", "verified", "none", "normal", 1), answered),
		"verified while degraded":        decision(says("allow", "verified", "full", "degraded", 1), answered),
		"rejected by nobody":             decision(says("deny", "rejected", "none", "degraded", 0)),
		"malicious at level 0":           decision(says("deny", "malicious", "none", "normal", 1), answered),
		"malicious and allowed":          decision(says("allow", "malicious", "none", "normal", 1), strings.Replace(answered, `level":0`, `level":100`, 1)),
		"verified at level 100":          decision(says("allow", "verified", "full", "normal", 1), strings.Replace(answered, `level":0`, `level":100`, 1)),
		"rejected by system busy":        decision(says("deny", "rejected", "none", "normal", 1), strings.Replace(answered, `"code":1`, `"code":26`, 1)),
		"rejected by a busy API":         decision(says("deny", "rejected", "none", "normal", 1), strings.Replace(answered, `code":1`, `code":26`, 1)),
		"solved with full assurance":     decision(says("allow", "challenge_solved", "full", "degraded", 0), `"cause":"forced"`),
		"solved without a cause":         decision(says("allow", "challenge_solved", "reduced", "degraded", 0)),
		"failed with full assurance":     decision(says("deny", "challenge_failed", "full", "degraded", 0), `"cause":"forced"`),
		"challenge without one":          decision(says("challenge", "challenge_required", "none", "degraded", 0), `"cause":"forced"`),
		"deny with a challenge":          decision(says("deny", "degraded_deny", "none", "degraded", 0), `"cause":"forced"`, `"challenge":`+puzzle),
		"degraded without a cause":       decision(says("deny", "degraded_deny", "none", "degraded", 0)),
		"assurance for a deny":           decision(says("deny", "degraded_deny", "full", "degraded", 0), `"cause":"forced"`),
		"let through by load":            decision(says("allow", "degraded_allow", "none", "degraded", 0), `"cause":"overloaded"`),
		"let through on a refusal":       decision(says("allow", "degraded_allow", "none", "degraded", 1), `"cause":"misconfigured"`),
		"let through over budget":        decision(says("allow", "degraded_allow", "none", "degraded", 0), `"cause":"budget_spent"`, `"degraded_by":"forced"`),
		"over budget of nothing":         decision(says("deny", "degraded_deny", "none", "degraded", 0), `"cause":"budget_spent"`),
		"degraded_by without a budget":   decision(says("deny", "degraded_deny", "none", "degraded", 0), `"cause":"forced"`, `"degraded_by":"forced"`),
		"a call although forced":         decision(says("deny", "degraded_deny", "none", "degraded", 1), `"cause":"forced"`),
		"unknown without the code":       decision(says("deny", "outcome_unknown", "none", "degraded", 1), `"cause":"upstream_fault"`),
		"unknown by the circuit":         decision(says("deny", "outcome_unknown", "none", "degraded", 1), `"cause":"circuit_open"`, reused),
		"a field nobody declared":        decision(says("deny", "rejected", "none", "normal", 0), `"why":"x"`),
		"an unknown reason":              decision(says("deny", "because", "none", "normal", 0)),
		"an unknown cause":               decision(says("deny", "degraded_deny", "none", "degraded", 0), `"cause":"weather"`),
		"a null":                         decision(says("deny", "rejected", "none", "normal", 0), `"captcha":null`),
		"no id":                          "{" + says("deny", "rejected", "none", "normal", 0) + "}",
		"an id of another version":       strings.Replace(decision(says("deny", "rejected", "none", "normal", 0)), "-7000-", "-4000-", 1),
		"a challenge without its prefix": decision(says("challenge", "challenge_required", "none", "degraded", 0), `"cause":"forced"`, `"challenge":`+strings.Replace(puzzle, `"keyPrefix":"00",`, "", 1)),
		"half a body":                    `{"decision":"deny"`,
		"two bodies":                     decision(says("deny", "rejected", "none", "normal", 0)) + "{}",
		"no body":                        "",
	} {
		t.Run(name, func(t *testing.T) {
			heard := verdicts(t, body)
			if len(heard) == 0 {
				t.Errorf("accepted: %s", body)
			} else if !strings.Contains(heard[0], "response body") {
				t.Errorf("refused for something else than its body: %s", heard)
			}
		})
	}
}

const problem = `{"type":"about:blank","title":"Bad Request","status":400,"detail":"user_ip is not an address"}`

func refused(status int) string { return strings.Replace(problem, "400", fmt.Sprint(status), 1) }

func TestCheck_KnowsRoutesStatusesAndTypes(t *testing.T) {
	with := func(name, value string) http.Header {
		h := typed("application/problem+json")
		h.Set(name, value)
		return h
	}
	for _, tt := range []struct {
		name, method, path string
		status             int
		header             http.Header
		body               string
		wrong              bool
	}{
		{name: "a problem", method: "POST", path: "/v1/verify", status: 400, header: typed("application/problem+json"), body: problem},
		{name: "a problem as plain JSON", method: "POST", path: "/v1/verify", status: 400, header: typed("application/json"), body: problem, wrong: true},
		{name: "a problem of another status", method: "POST", path: "/v1/verify", status: 415, header: typed("application/problem+json"), body: problem, wrong: true},
		{name: "a problem without a title", method: "POST", path: "/v1/verify", status: 400, header: typed("application/problem+json"), body: `{"type":"a","status":400,"detail":"b"}`, wrong: true},
		{name: "no type at all", method: "POST", path: "/v1/verify", status: 400, body: problem, wrong: true},
		{name: "an undeclared status", method: "POST", path: "/v1/verify", status: 500, header: typed("application/problem+json"), body: refused(500), wrong: true},
		{name: "a redirect", method: "POST", path: "/v1/verify", status: 307, header: http.Header{"Location": {"/"}}, wrong: true},
		{name: "401 with how to authenticate", method: "POST", path: "/v1/verify", status: 401, header: with("Www-Authenticate", "Bearer"), body: refused(401)},
		{name: "401 without", method: "POST", path: "/v1/verify", status: 401, header: typed("application/problem+json"), body: refused(401), wrong: true},
		{name: "wrong method", method: "GET", path: "/v1/verify", status: 405, header: with("Allow", "POST"), body: refused(405)},
		{name: "wrong method without Allow", method: "GET", path: "/v1/verify", status: 405, header: typed("application/problem+json"), body: refused(405), wrong: true},
		{name: "wrong method accepted", method: "GET", path: "/v1/verify", status: 200, header: typed("application/json"), body: decision(says("deny", "rejected", "none", "normal", 0)), wrong: true},
		{name: "unknown path", method: "GET", path: "/v1/nowhere", status: 404, header: typed("application/problem+json"), body: refused(404)},
		{name: "unknown path as text", method: "GET", path: "/v1/nowhere", status: 404, header: typed("text/plain"), body: "404 page not found", wrong: true},
		{name: "unknown path accepted", method: "GET", path: "/v1/nowhere", status: 200, header: typed("text/plain"), body: "ok", wrong: true},
		{name: "metrics", method: "GET", path: "/metrics", status: 200, header: typed("text/plain; version=0.0.4; charset=utf-8"), body: "up 1\n"},
		{name: "no metrics", method: "GET", path: "/metrics", status: 200, header: typed("text/plain"), wrong: true},
		{name: "ready", method: "GET", path: "/readyz", status: 200, header: typed("application/json; charset=utf-8"), body: `{"status":"ready"}`},
		{name: "ready without a request's id", method: "GET", path: "/readyz", status: 200, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: `{"status":"ready"}`, wrong: true},
		{name: "not ready", method: "GET", path: "/readyz", status: 503, header: typed("application/problem+json"), body: refused(503)},
		{name: "an audit of a wrong time", method: "GET", path: "/admin/v1/audit", status: 200, header: typed("application/json"), body: `{"entries":[{"at":"yesterday","kind":"switch","actor":"a","summary":"s","detail":null}]}`, wrong: true},
		{name: "an audit", method: "GET", path: "/admin/v1/audit", status: 200, header: typed("application/json"), body: `{"entries":[{"at":"2026-01-02T03:04:05.678+08:00","kind":"switch","actor":"a","summary":"s","detail":null}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &listener{TB: t}
			req := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, http.NoBody)
			apitest.Check(l, req, nil, tt.status, tt.header, []byte(tt.body))
			if (len(l.heard) != 0) != tt.wrong {
				t.Errorf("wrong is %v, heard %q", tt.wrong, l.heard)
			}
		})
	}
}

const status = `{"mode":"degraded",
"override":{"mode":"degraded","reason":"drill","actor":"ops","since":"2026-01-02T03:04:05Z","until":null},
"drills":[{"scene":"login","share":0.05,"reason":"drill","actor":"ops","since":"2026-01-02T03:04:05Z","until":"2026-01-02T04:04:05Z"}],
"breaker":{"state":"open","since":"2026-01-02T03:04:05Z","evidence":"10 in a row","requests":20,"failures":10,"slow":0,"consecutive_failures":10,"disbelieved":0,
"next_probe_at":"2026-01-02T03:04:06Z","transitions":[{"at":"2026-01-02T03:04:05Z","from":"closed","to":"open","evidence":"10 in a row"}]},
"account":{"state":"refused","since":"2026-01-02T03:04:05Z","code":"AuthFailure.SecretIdNotFound"},
"upstream":{"in_flight":0,"p50_ms":18.5,"p99_ms":212,"addresses":[{"address":"192.0.2.1:443","connections":2,"failed_at":null}],"throttled":null},
"budgets":[],"script":{"state":"up","since":"2026-01-02T03:04:05Z","problem":""},"fleet":{"alive":2,"ill":1,"state":"open","redis":"up","redis_since":null,"trouble":["1 of 2 instances have another scenes"]},
"replicas":[{"id":"0011aabb","this":true,"host":"web-1","listen":"10.0.0.7:8080","version":"devel","state":"open","since":"2026-01-02T03:04:05Z","age_ms":120,"clock_lag_ms":-3}],"store":{"kind":"bolt","healthy":true,"trouble":null},"version":"devel"}`

func TestCheck_HoldsTheStatusToItsForm(t *testing.T) {
	quiet := strings.NewReplacer(`"refused"`, `"ok"`, `AuthFailure.SecretIdNotFound`, "",
		`"2026-01-02T03:04:06Z"`, "null").Replace(status)
	for _, tt := range []struct {
		name, body string
		wrong      bool
	}{
		{"as it is", status, false},
		{"in peace", quiet, false},
		{"an unknown state", strings.Replace(status, `"state":"open"`, `"state":"ajar"`, 1), true},
		{"a refused account without its code", strings.Replace(status, `AuthFailure.SecretIdNotFound`, "", 1), true},
		{"no override at all", strings.Replace(status, `"override":{`, `"was":{`, 1), true},
		{"a drill without a scene", strings.Replace(status, `"scene":"login",`, "", 1), true},
		{"too many transitions", strings.Replace(status, `"transitions":[`, `"transitions":[`+strings.Repeat(`{"at":"2026-01-02T03:04:05Z","from":"closed","to":"open","evidence":""},`, 50), 1), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &listener{TB: t}
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/v1/status", http.NoBody)
			apitest.Check(l, req, nil, http.StatusOK, typed("application/json"), []byte(tt.body))
			if (len(l.heard) != 0) != tt.wrong {
				t.Errorf("wrong is %v, heard %q", tt.wrong, l.heard)
			}
		})
	}
}

func TestHandler_HandsAnswersOnAndChecksThem(t *testing.T) {
	const asked = `{"ticket":"t03","randstr":"@a","user_ip":"192.0.2.1"}`
	good := decision(says("deny", "rejected", "none", "normal", 0))
	for _, tt := range []struct {
		name, asked, answer string
		wrong               bool
	}{
		{"as declared", asked, good, false},
		{"a wrong answer", asked, `{}`, true},
		{"a wrong request accepted", `{"ticket":"t"}`, good, true},
		{"an unknown field accepted", `{"ticket":"t","user_ip":"192.0.2.1","x":1}`, good, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &listener{TB: t}
			h := apitest.Handler(l, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				body, err := io.ReadAll(req.Body)
				if err != nil || string(body) != tt.asked {
					t.Errorf("the handler read %q, %v", body, err)
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Request-Id", "r1")
				io.WriteString(w, tt.answer)
			}))
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/verify", strings.NewReader(tt.asked))
			req.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != http.StatusOK || w.Body.String() != tt.answer || w.Header().Get("X-Request-Id") != "r1" {
				t.Errorf("handed on %d %v %q", w.Code, w.Header(), w.Body)
			}
			if (len(l.heard) != 0) != tt.wrong {
				t.Errorf("wrong is %v, heard %q", tt.wrong, l.heard)
			}
		})
	}
}

func TestHandler_TakesRequestsWithoutBodyAndClientsThatLeft(t *testing.T) {
	for _, tt := range []struct {
		name       string
		left       bool
		answer     string
		complaints int
	}{
		{"no body", false, `{"status":"ok"}`, 0},
		{"silence", false, "", 1},
		{"silence for a client that left", true, "", 0},
		{"a wrong answer for one", true, "{}", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &listener{TB: t}
			h := apitest.Handler(l, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if body, err := io.ReadAll(req.Body); err != nil || len(body) != 0 {
					t.Errorf("the handler read %q, %v", body, err)
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Request-Id", "r1")
				io.WriteString(w, tt.answer)
			}))
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			if tt.left {
				leave()
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/healthz", nil)
			if err != nil {
				t.Fatal(err)
			}
			h.ServeHTTP(httptest.NewRecorder(), req)
			if len(l.heard) != tt.complaints {
				t.Errorf("heard %q, want %d complaints", l.heard, tt.complaints)
			}
		})
	}
}
