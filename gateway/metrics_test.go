package gateway_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/simulator"
)

// labels writes label values in the order of their names, as /metrics does.
func labels(pairs ...string) string {
	var written []string
	for i := 0; i < len(pairs); i += 2 {
		written = append(written, fmt.Sprintf("%s=%q", pairs[i], pairs[i+1]))
	}
	slices.Sort(written)
	return strings.Join(written, ",")
}

func each(label string, values ...string) (all []string) {
	for _, v := range values {
		all = append(all, labels(label, v))
	}
	return all
}

// Every metric of the contract stands there from the start, at 0 where it
// counts, with all labels that are known beforehand. (reverified_total comes
// with re-verification.)
func TestMetrics_StandAtZeroFromTheStart(t *testing.T) {
	var decisions, disasters []string
	for scene, action := range map[string]string{"comment": "allow", "login": "challenge", "payment": "deny", "default": "challenge"} {
		decisions = append(decisions,
			labels("scene", scene, "decision", "allow", "reason", "verified", "cause", ""),
			labels("scene", scene, "decision", "deny", "reason", "rejected", "cause", ""),
			labels("scene", scene, "decision", "deny", "reason", "malicious", "cause", ""),
			labels("scene", scene, "decision", "deny", "reason", "challenge_failed", "cause", ""),
			labels("scene", scene, "decision", action, "reason", "outcome_unknown", "cause", "upstream_fault"))
		for _, cause := range []string{"budget_spent", "disaster_ticket", "forced", "misconfigured", "circuit_open", "recovering", "throttled", "overloaded", "upstream_fault"} {
			decisions = append(decisions, labels("scene", scene, "decision", action, "reason", actionReasons[slices.Index(actions, action)], "cause", cause))
		}
	}
	for _, form := range captcha.Forms() {
		for _, corroborated := range []string{"true", "false"} {
			for _, outcome := range actions {
				disasters = append(disasters, labels("form", string(form), "corroborated", corroborated, "outcome", outcome))
			}
		}
	}
	inHouse(t, nil, func(h *house) {
		for name, want := range map[string][]string{
			"captchagate_decisions_total":                decisions,
			"captchagate_disaster_tickets_total":         disasters,
			"captchagate_refused_total":                  each("status", "400", "401", "403", "405", "409", "413", "415"),
			"captchagate_decision_seconds_count":         each("mode", "normal", "degraded"),
			"captchagate_upstream_attempts_total":        each("outcome", "passed", "rejected", "malicious", "fault", "throttled", "misconfigured", "cancelled"),
			"captchagate_retries_total":                  each("result", "sent", "budget_spent"),
			"captchagate_probes_total":                   each("result", "healthy", "ill", "refused", "throttled"),
			"captchagate_challenges_total":               each("result", "issued", "solved", "malformed", "forged", "expired", "other_scene", "other_user", "other_terms", "spent", "rate_limited", "wrong", "store_away", "busy"),
			"captchagate_breaker_transitions_total":      {labels("from", "closed", "to", "open"), labels("from", "open", "to", "half_open"), labels("from", "half_open", "to", "recovering"), labels("from", "half_open", "to", "open"), labels("from", "recovering", "to", "closed"), labels("from", "recovering", "to", "open")},
			"captchagate_upstream_attempt_seconds_count": {""},
			"captchagate_upstream_in_flight":             {""},
			"captchagate_breaker_state":                  {""},
			"captchagate_account_refused":                {""},
		} {
			found := h.series(name)
			for _, series := range want {
				if value, ok := found[series]; !ok || value != 0 {
					t.Errorf("%s{%s} is there: %v, and %v", name, series, ok, value)
				}
			}
			for series, value := range found {
				if value != 0 {
					t.Errorf("%s{%s} starts at %v", name, series, value)
				}
			}
		}
		for name, want := range map[string]map[string]float64{
			"captchagate_mode":          {labels("mode", "normal"): 1, labels("mode", "degraded"): 0},
			"captchagate_store_healthy": {"": 1},
			"captchagate_connections":   {"": 0}, // this house has no sockets
		} {
			if got := h.series(name); !maps.Equal(got, want) {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if got := h.series("captchagate_build_info"); len(got) != 1 || h.total("captchagate_build_info") != 1 {
			t.Errorf("captchagate_build_info is %v", got)
		}
	})
}

// Metrics follow what happens, and no series comes up that was not announced.
func TestMetrics_FollowAnOutage(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		names := []string{"captchagate_upstream_attempts_total", "captchagate_probes_total", "captchagate_breaker_transitions_total", "captchagate_retries_total", "captchagate_mode", "captchagate_refused_total", "captchagate_disaster_tickets_total", "captchagate_challenges_total"}
		before := map[string]int{}
		for _, name := range names {
			before[name] = len(h.series(name))
		}
		has := func(name, series string, want float64) {
			h.t.Helper()
			if got, ok := h.series(name)[series]; !ok || got != want {
				h.t.Errorf("%s{%s} is %v, want %v", name, series, got, want)
			}
		}
		h.ask(h.user("login", simulator.TicketValid))
		h.ask(h.user("login", simulator.TicketEvil))
		h.ask(h.user("login", simulator.TicketForged))
		h.post("{")
		has("captchagate_decisions_total", labels("scene", "login", "decision", "allow", "reason", "verified", "cause", ""), 1)
		has("captchagate_upstream_attempts_total", labels("outcome", "passed"), 1)
		has("captchagate_upstream_attempts_total", labels("outcome", "malicious"), 1)
		has("captchagate_upstream_attempts_total", labels("outcome", "rejected"), 1)
		has("captchagate_decision_seconds_count", labels("mode", "normal"), 3)
		has("captchagate_refused_total", labels("status", "400"), 1)
		h.asksDisaster("comment", "trerror_1001_190000001_1767323045")
		h.asksDisaster("comment", "terror_none")
		has("captchagate_disaster_tickets_total", labels("form", "standard", "corroborated", "false", "outcome", "challenge"), 1)
		has("captchagate_disaster_tickets_total", labels("form", "unknown", "corroborated", "false", "outcome", "deny"), 1)
		has("captchagate_challenges_total", labels("result", "issued"), 1)

		h.outage(simulator.InternalError)
		has("captchagate_breaker_state", "", 2)
		has("captchagate_mode", labels("mode", "degraded"), 1)
		has("captchagate_mode", labels("mode", "normal"), 0)
		has("captchagate_breaker_transitions_total", labels("from", "closed", "to", "open"), 1)
		if h.series("captchagate_upstream_attempts_total")[labels("outcome", "fault")] < 10 {
			t.Error("no faults counted")
		}
		h.sim.ClearFault()
		h.awaits("recovering", 3*time.Second)
		has("captchagate_breaker_state", "", 3)
		has("captchagate_probes_total", labels("result", "healthy"), 3)
		h.awaits("closed", 30*time.Second)
		has("captchagate_breaker_state", "", 0)
		h.breaks(simulator.Fault{Kind: simulator.Arrears})
		h.ask(h.user("login", simulator.TicketValid))
		has("captchagate_account_refused", "", 1)
		has("captchagate_breaker_state", "", 0)
		for _, name := range names {
			if n := len(h.series(name)); n != before[name] {
				t.Errorf("%s has %d series, had %d", name, n, before[name])
			}
		}
	})
}
