package loadtest_test

import (
	"testing"

	"captchagate/loadtest"
)

const (
	full      = `{"decision":"allow","reason":"verified","assurance":"full","mode":"normal"}`
	refused   = `{"decision":"deny","reason":"rejected","assurance":"none","mode":"normal"}`
	malicious = `{"decision":"deny","reason":"malicious","assurance":"none","mode":"normal"}`
	passed    = `{"decision":"allow","reason":"degraded_allow","assurance":"none","mode":"degraded","cause":"circuit_open"}`
	asked     = `{"decision":"challenge","reason":"challenge_required","mode":"degraded","cause":"recovering","challenge":{"parameters":{}}}`
	shut      = `{"decision":"deny","reason":"degraded_deny","mode":"degraded","cause":"overloaded"}`
	unknown   = `{"decision":"deny","reason":"outcome_unknown","mode":"degraded","cause":"upstream_fault"}`
	spentOpen = `{"decision":"deny","reason":"rejected","mode":"degraded","cause":"circuit_open"}`
	forced    = `{"decision":"deny","reason":"degraded_deny","mode":"normal","cause":"forced"}`
)

func TestAnswers_AreJudgedByWhoAsked(t *testing.T) {
	for _, c := range []struct {
		name, user string
		spent      bool
		status     int
		body, want string
	}{
		{"a good ticket verified", "valid", false, 200, full, "verified"},
		{"a good ticket rejected", "valid", false, 200, refused, "wrong"},
		{"a good ticket called malicious", "valid", false, 200, malicious, "wrong"},
		{"a good ticket rejected while open", "valid", false, 200, spentOpen, "wrong"},
		{"a slow user verified", "slow", false, 200, full, "verified"},
		{"a forged ticket rejected", "forged", false, 200, refused, "rejected"},
		{"a forged ticket verified", "forged", false, 200, full, "wrong"},
		{"an expired ticket verified", "expired", false, 200, full, "wrong"},
		{"a replayed ticket rejected", "replayed", false, 200, refused, "rejected"},
		{"a replayed ticket rejected from memory", "replayed", false, 200, spentOpen, "rejected"},
		{"a replayed ticket verified", "replayed", false, 200, full, "wrong"},
		{"a ticket of another site verified", "foreign", false, 200, full, "wrong"},
		{"a bot found out", "evil", false, 200, malicious, "rejected"},
		{"a bot verified", "evil", false, 200, full, "wrong"},
		{"a disaster ticket verified", "disaster", false, 200, full, "wrong"},
		{"a disaster ticket let through in its scene", "disaster", false, 200, passed, "allowed"},
		{"a disaster ticket of no known form", "disaster", false, 200, refused, "rejected"},
		{"a second try with a key, rejected", "retry", false, 200, refused, "wrong"},
		{"a second try after a kill, rejected", "retry", true, 200, refused, "rejected"},
		{"a second try without a key, rejected", "retry_bare", true, 200, refused, "rejected"},
		{"a second try without a key, of unknown outcome", "retry_bare", true, 200, unknown, "denied"},
		{"let through unverified", "valid", false, 200, passed, "allowed"},
		{"a bot let through unverified", "forged", false, 200, passed, "allowed"},
		{"challenged", "valid", false, 200, asked, "challenged"},
		{"denied while overloaded", "valid", false, 200, shut, "denied"},
		{"outcome unknown", "valid", false, 200, unknown, "denied"},
		{"forced normal, nobody could tell", "valid", false, 200, forced, "denied"},
		{"a challenge without one", "valid", false, 200, `{"decision":"challenge","reason":"challenge_required","mode":"degraded","cause":"forced"}`, "failed"},
		{"a degraded answer without its cause", "valid", false, 200, `{"decision":"allow","reason":"degraded_allow","assurance":"none","mode":"degraded"}`, "failed"},
		{"a cause that is none", "valid", false, 200, `{"decision":"deny","reason":"degraded_deny","mode":"degraded","cause":"weather"}`, "failed"},
		{"a gateway without assurance allows", "valid", false, 200, `{"decision":"allow"}`, "verified"},
		{"a gateway without assurance allows a forged one", "forged", false, 200, `{"decision":"allow","reason":"ok"}`, "wrong"},
		{"a gateway without assurance denies on an error", "valid", false, 200, `{"decision":"deny","reason":"error"}`, "wrong"},
		{"no answer", "valid", false, 0, "", "failed"},
		{"a server's error", "valid", false, 503, full, "failed"},
		{"a client's error", "valid", false, 400, `{"title":"Bad Request"}`, "failed"},
		{"a page", "valid", false, 200, "<html>", "failed"},
		{"an empty object", "valid", false, 200, "{}", "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := loadtest.Fate(c.user, c.spent, c.status, c.body); got != c.want {
				t.Errorf("it is %s, want %s", got, c.want)
			}
		})
	}
}
