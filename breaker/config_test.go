package breaker_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/breaker"
)

// Every mistake of a configuration is named by its key, and the bounds
// themselves are good.
func TestConfig_NamesEveryMistake(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(c *breaker.Config, l *breaker.Limits)
		wrong  string // keys, separated by blanks; none is good
	}{
		{"the defaults", func(*breaker.Config, *breaker.Limits) {}, ""},
		{"the smallest that are good", func(c *breaker.Config, l *breaker.Limits) {
			c.MinRequests, c.ConsecutiveFailures, c.Probe.Successes = 1, 1, 1
			c.Open.Max = c.Open.Initial
			l.MaxAttempts, l.MaxInFlight, l.RetryBudget = 1, 1, 0
			l.Backoff.Max, l.Deadline = l.Backoff.Initial, l.AttemptTimeout
		}, ""},
		{"the largest that are good", func(c *breaker.Config, l *breaker.Limits) {
			c.MinRequests, c.ConsecutiveFailures, c.Probe.Successes = 100_000, 100_000, 100
			c.FailureRate, c.SlowRate = 1, 1
			l.MaxAttempts, l.MaxInFlight, l.RetryBudget = 5, 100_000, 1
		}, ""},
		{"nothing at all", func(c *breaker.Config, l *breaker.Limits) { *c, *l = breaker.Config{}, breaker.Limits{} },
			"window min_requests failure_rate consecutive_failures slow_call slow_rate open.initial probe.timeout probe.successes probe.spacing ramp deadline attempt_timeout max_attempts backoff.initial max_in_flight"},
		{"just over", func(c *breaker.Config, l *breaker.Limits) {
			c.MinRequests, c.ConsecutiveFailures, c.Probe.Successes = 100_001, 100_001, 101
			c.FailureRate, c.SlowRate = 1.01, 1.01
			l.MaxAttempts, l.MaxInFlight, l.RetryBudget = 6, 100_001, 1.01
		}, "min_requests failure_rate consecutive_failures slow_rate probe.successes max_attempts max_in_flight retry_budget"},
		{"a maximum under its beginning", func(c *breaker.Config, l *breaker.Limits) {
			c.Open.Max, l.Backoff.Max = c.Open.Initial-1, l.Backoff.Initial-1
		}, "open.max backoff.max"},
		{"an attempt that does not fit", func(_ *breaker.Config, l *breaker.Limits) { l.AttemptTimeout = l.Deadline + 1 }, "attempt_timeout"},
		{"a negative budget", func(_ *breaker.Config, l *breaker.Limits) { l.RetryBudget = -0.1 }, "retry_budget"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, limits := defaults()
			row.change(&cfg, &limits)
			var keys []string
			for _, err := range []error{cfg.Validate(), limits.Validate()} {
				if err == nil {
					continue
				}
				for line := range strings.Lines(err.Error()) {
					key, _, _ := strings.Cut(line, ":")
					keys = append(keys, key)
				}
			}
			if got := strings.Join(keys, " "); got != row.wrong {
				t.Errorf("wrong are %q, want %q", got, row.wrong)
			}
			_, err := breaker.New(&world{}, breaker.Ports{}, 1, nil, cfg, limits, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if (err == nil) != (row.wrong == "") {
				t.Errorf("New: %v", err)
			}
		})
	}
}
