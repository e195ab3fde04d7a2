package gateway_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/challenge"
	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/store/redis/redistest"
)

// metricsOfTheContract are all metrics that others may rely on: the type and the labels.
var metricsOfTheContract = map[string]string{
	"captchagate_decisions_total":              "counter cause,decision,reason,scene",
	"captchagate_refused_total":                "counter status",
	"captchagate_decision_seconds":             "histogram mode",
	"captchagate_upstream_attempts_total":      "counter outcome",
	"captchagate_upstream_attempt_seconds":     "histogram ",
	"captchagate_upstream_in_flight":           "gauge ",
	"captchagate_retries_total":                "counter result",
	"captchagate_breaker_state":                "gauge ",
	"captchagate_breaker_transitions_total":    "counter from,to",
	"captchagate_account_refused":              "gauge ",
	"captchagate_mode":                         "gauge mode",
	"captchagate_probes_total":                 "counter result",
	"captchagate_disaster_tickets_total":       "counter corroborated,form,outcome",
	"captchagate_challenges_total":             "counter result",
	"captchagate_reverified_total":             "counter result",
	"captchagate_store_healthy":                "gauge ",
	"captchagate_build_info":                   "gauge goversion,version",
	"captchagate_captcha_codes_total":          "counter code",
	"captchagate_account_suspect":              "gauge ",
	"captchagate_connections":                  "gauge ",
	"captchagate_upstream_connects_total":      "counter result",
	"captchagate_upstream_connect_seconds":     "histogram ",
	"captchagate_upstream_connections":         "gauge state",
	"captchagate_local_trouble_total":          "counter kind",
	"captchagate_log_dropped_total":            "counter ",
	"captchagate_budget_left":                  "gauge kind,scene",
	"captchagate_alarms_total":                 "counter kind,result",
	"captchagate_sla_minutes_total":            "counter result",
	"captchagate_shadow_total":                 "counter would",
	"captchagate_fleet_instances":              "gauge view",
	"captchagate_fleet_state":                  "gauge ",
	"captchagate_redis_up":                     "gauge ",
	"captchagate_redis_seconds":                "histogram call",
	"captchagate_redis_refused_total":          "counter call",
	"captchagate_upstream_resent_total":        "counter ", // from here on our own
	"captchagate_upstream_unknown_codes_total": "counter ",
	"captchagate_client_events_total":          "counter code",
	"captchagate_script_probes_total":          "counter result",
	"captchagate_script_down":                  "gauge ",
	"captchagate_store_kept_out_total":         "counter ",
	"captchagate_drop_in_refused_total":        "counter code",
	"captchagate_redis_failed_total":           "counter call",
	"captchagate_admin_refused_total":          "counter reason",
	"captchagate_certificate_expires_soon":     "gauge section",
	"captchagate_breaker_disbelieved_total":    "counter ",
}

// knownBefore are the values of labels whose words are known beforehand.
var knownBefore = map[string][]string{
	"captchagate_mode mode":                           {"degraded", "normal"},
	"captchagate_retries_total result":                {"budget_spent", "sent"},
	"captchagate_sla_minutes_total result":            {"available", "unavailable", "unseen"},
	"captchagate_alarms_total kind":                   {"budget_spent", "fleet_trouble", "misconfigured", "opened", "pages_failing", "recovered", "script_down", "script_up", "sla_claim", "store_trouble", "suspect", "switched"},
	"captchagate_fleet_instances view":                {"alive", "ill"},
	"captchagate_certificate_expires_soon section":    {"admin.tls", "tls"},
	"captchagate_shadow_total would":                  {"allow", "challenge", "deny"},
	"captchagate_upstream_attempts_total outcome":     {"cancelled", "fault", "malicious", "misconfigured", "passed", "rejected", "throttled"},
	"captchagate_admin_refused_total reason":          {"no_token", "not_from_here", "other_site", "too_many_wrong", "viewer", "who_rate", "wrong_token"},
	"captchagate_budget_left kind":                    {"for", "total"},
	"captchagate_budget_left scene":                   {"comment", "default", "login"},
	"captchagate_decisions_total scene":               {"comment", "default", "login", "payment"},
	"captchagate_disaster_tickets_total corroborated": {"false", "true"},
}

// The whole /metrics of an instance of a fleet, before anybody asked it anything: each
// metric has the contract's name, type and labels, all series whose labels are known are
// there, and whatever counts is at 0.
func TestMetrics_AreThoseOfTheContract(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.DropIn = public.DropIn{Scene: "login", Shadow: true}
	cfg.Challenge.Secret = challenge.Secrets{"challenge-secret-of-the-fleet-0123456789"}
	cfg.Store.Redis, cfg.Store.Secret = []string{redistest.Start(t).URL()}, "fleet-secret-0123456789abcdef0123456789"
	h := &house{t: t, sim: simulator.New(accountOf(cfg))}
	h.open(cfg, func(h *house) {
		found := readMetrics(t, h.metrics())
		for name, m := range found {
			if !strings.HasPrefix(name, "captchagate_") {
				continue // of Go and the process
			}
			labels := slices.DeleteFunc(slices.Sorted(maps.Keys(m.labels)), func(l string) bool { return l == "le" })
			if got := m.kind + " " + strings.Join(labels, ","); got != metricsOfTheContract[name] {
				t.Errorf("%s is a %q, want %q", name, got, metricsOfTheContract[name])
			}
		}
		for name := range metricsOfTheContract {
			if len(found[name].labels) == 0 && !found[name].there {
				t.Errorf("%s has no series", name)
			}
		}
		for which, want := range knownBefore {
			name, label, _ := strings.Cut(which, " ")
			if got := slices.Sorted(maps.Keys(found[name].labels[label])); !slices.Equal(got, want) {
				t.Errorf("%s{%s} is %v, want %v", name, label, got, want)
			}
		}
	})
}

// aMetric is what /metrics has of one.
type aMetric struct {
	kind   string
	there  bool
	labels map[string]map[string]bool // values by name
}

var (
	series = regexp.MustCompile(`^([a-z_]+?)(_bucket|_sum|_count)?(?:\{(.*)\})? (\S+)$`)
	pair   = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// readMetrics reads /metrics. Whatever counts must be at 0, but what the gateway does by
// itself: it connects, fetches the script, probes nobody and tells Redis.
func readMetrics(t *testing.T, text string) map[string]aMetric {
	t.Helper()
	found := map[string]aMetric{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if words := strings.Fields(line); len(words) == 4 && words[1] == "TYPE" {
			found[words[2]] = aMetric{kind: words[3], labels: map[string]map[string]bool{}}
		}
		s := series.FindStringSubmatch(line)
		if s == nil || strings.HasPrefix(line, "#") {
			continue
		}
		name := s[1]
		if _, ok := found[name]; !ok { // a name may end like a histogram's series
			name += s[2]
		}
		m := found[name]
		m.there = true
		found[name] = m
		for _, p := range pair.FindAllStringSubmatch(s[3], -1) {
			if m.labels[p[1]] == nil {
				m.labels[p[1]] = map[string]bool{}
			}
			m.labels[p[1]][p[2]] = true
		}
		byItself := strings.Contains(name, "_redis_") || strings.Contains(name, "connect") || strings.Contains(name, "script_probes")
		if strings.HasPrefix(name, "captchagate_") && m.kind != "gauge" && !byItself && s[4] != "0" {
			t.Errorf("%s starts at %s", s[0], s[4])
		}
	}
	return found
}

// What is left of a budget falls as it is spent, in the total and in time, and comes back
// once its cause is over.
func TestMetrics_SayWhatIsLeftOfBudgets(t *testing.T) {
	inHouse(t, func(c *config.Config) { delete(c.Scenes, "default"); c.Scenes["default"] = c.Scenes["payment"] }, func(h *house) {
		left := func(kind string) float64 {
			return h.series("captchagate_budget_left")[labels("scene", "comment", "kind", kind)]
		}
		if n := h.series("captchagate_budget_left"); len(n) != 3 || left("total") != 1 || left("for") != 1 {
			t.Fatalf("at the start: %v", n)
		}
		h.throws(`{"mode":"degraded","reason":"a drill"}`)
		for range 100 {
			h.ask(h.user("comment", simulator.TicketValid))
		}
		if got := left("total"); got < 0.89 || got > 0.91 { // 100 of 1,000
			t.Errorf("of the total %v is left", got)
		}
		time.Sleep(6 * time.Minute)
		if got := left("for"); left("total") != 1 || got < 0.59 || got > 0.61 { // of 15 min
			t.Errorf("after 6 of 15 minutes %v of the time is left, %v of the total", got, left("total"))
		}
		h.throws(`{"mode":"auto","reason":"it is over"}`)
		if got := left("for"); got != 1 {
			t.Errorf("with no cause %v of the time is left", got)
		}
	})
}
