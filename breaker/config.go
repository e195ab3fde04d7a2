package breaker

import (
	"errors"
	"fmt"
	"time"
)

// Config says when the circuit opens and how it closes again: the section
// "breaker" of the configuration.
type Config struct {
	Window              time.Duration `yaml:"window"`       // how long a finished call is evidence
	MinRequests         int           `yaml:"min_requests"` // calls below which a rate says nothing
	FailureRate         float64       `yaml:"failure_rate"` // share of faults that opens, 0..1
	ConsecutiveFailures int           `yaml:"consecutive_failures"`
	SlowCall            time.Duration `yaml:"slow_call"` // a definite answer later than this is slow
	SlowRate            float64       `yaml:"slow_rate"` // share of slow calls that opens, 0..1
	Open                Interval      `yaml:"open"`      // between probes
	Probe               Probe         `yaml:"probe"`
	Ramp                time.Duration `yaml:"ramp"` // from few users to all, if too few calls say how the API is
}

// Interval bounds the time between two probes.
type Interval struct {
	Initial time.Duration `yaml:"initial"`
	Max     time.Duration `yaml:"max"`
}

// Probe says what a healthy series of probes is.
type Probe struct {
	Timeout   time.Duration `yaml:"timeout"`
	Successes int           `yaml:"successes"` // in a row
	Spacing   time.Duration `yaml:"spacing"`   // between those
}

// Limits bounds one verification and all of them together; part of the
// section "upstream" of the configuration.
type Limits struct {
	Deadline       time.Duration `yaml:"deadline"` // the whole verification, retries included
	AttemptTimeout time.Duration `yaml:"attempt_timeout"`
	MaxAttempts    int           `yaml:"max_attempts"` // 1..5
	Backoff        Backoff       `yaml:"backoff"`
	RetryBudget    float64       `yaml:"retry_budget"` // retries per request over time, 0..1
	MaxInFlight    int           `yaml:"max_in_flight"`
}

// Backoff bounds the pause before a retry; the pause is drawn evenly from zero
// to a ceiling that doubles from Initial to Max.
type Backoff struct {
	Initial time.Duration `yaml:"initial"`
	Max     time.Duration `yaml:"max"`
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	return errors.Join(
		positive("window", c.Window),
		within("min_requests", c.MinRequests, 1, 100_000),
		share("failure_rate", c.FailureRate),
		within("consecutive_failures", c.ConsecutiveFailures, 1, 100_000),
		positive("slow_call", c.SlowCall),
		share("slow_rate", c.SlowRate),
		positive("open.initial", c.Open.Initial),
		atLeast("open.max", c.Open.Max, "open.initial", c.Open.Initial),
		positive("probe.timeout", c.Probe.Timeout),
		within("probe.successes", c.Probe.Successes, 1, 100),
		positive("probe.spacing", c.Probe.Spacing),
		positive("ramp", c.Ramp),
	)
}

// Validate lists every mistake in l, each as "key: what is wrong".
func (l Limits) Validate() error {
	err := errors.Join(
		positive("deadline", l.Deadline),
		positive("attempt_timeout", l.AttemptTimeout),
		within("max_attempts", l.MaxAttempts, 1, 5),
		positive("backoff.initial", l.Backoff.Initial),
		atLeast("backoff.max", l.Backoff.Max, "backoff.initial", l.Backoff.Initial),
		within("max_in_flight", l.MaxInFlight, 1, 100_000),
	)
	if l.RetryBudget < 0 || l.RetryBudget > 1 {
		err = errors.Join(err, fmt.Errorf("retry_budget: must be between 0 and 1, is %v", l.RetryBudget))
	}
	if l.AttemptTimeout > l.Deadline {
		err = errors.Join(err, fmt.Errorf("attempt_timeout: %v is over deadline (%v); one attempt must fit into the whole", l.AttemptTimeout, l.Deadline))
	}
	return err
}

func positive(key string, d time.Duration) error {
	if d > 0 {
		return nil
	}
	return fmt.Errorf("%s: must be longer than 0, is %v", key, d)
}

func atLeast(key string, d time.Duration, floorKey string, floor time.Duration) error {
	if d >= floor {
		return nil
	}
	return fmt.Errorf("%s: %v is under %s (%v)", key, d, floorKey, floor)
}

func within(key string, n, low, high int) error {
	if n >= low && n <= high {
		return nil
	}
	return fmt.Errorf("%s: must be between %d and %d, is %d", key, low, high, n)
}

func share(key string, f float64) error {
	if f > 0 && f <= 1 {
		return nil
	}
	return fmt.Errorf("%s: must be over 0 and at most 1, is %v", key, f)
}
