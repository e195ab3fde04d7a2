package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"captchagate/bench/drive"
	"captchagate/bench/rig"
	"captchagate/simulator"
)

// A result is what one gateway's users met in one outage. Times are in
// milliseconds; -1 = never.
type result struct {
	Kind        simulator.Kind `json:"kind"`
	Gateway     string         `json:"gateway"`
	Healthy     float64        `json:"healthy_useful_percent"` // before the fault
	Useful      float64        `json:"useful_percent"`         // of the requests during the fault
	Wrong       int            `json:"wrong"`                  // during and after the fault
	P50         float64        `json:"p50_ms"`                 // during the fault
	P99         float64        `json:"p99_ms"`
	P999        float64        `json:"p99_9_ms"`
	Fast        float64        `json:"fast_again_ms"`   // from the fault to the first useful answer under 100 ms that stays so
	Reached     int64          `json:"calls_in_outage"` // that reached the API
	Full        float64        `json:"first_verdict_ms"`
	After       float64        `json:"healed_full_percent"` // full verdicts after the fault
	Transitions []string       `json:"transitions,omitempty"`
}

// fast is what an answer may take to be fast.
const fast = 100 * time.Millisecond

// judge draws a result from the requests of all three phases.
func (p plan) judge(name string, kind simulator.Kind, shots []drive.Shot) result {
	ends := p.healthy + p.fault
	before, during, after := cut(shots, 0, p.healthy), cut(shots, p.healthy, ends), cut(shots, ends, ends+p.healed)
	r := result{
		Kind: kind, Gateway: name,
		Healthy: percent(before, drive.Meaning.Useful), Useful: percent(during, drive.Meaning.Useful),
		Wrong: number(during, isWrong) + number(after, isWrong),
		P50:   quantile(during, 0.5), P99: quantile(during, 0.99), P999: quantile(during, 0.999),
		Fast: -1, Full: -1,
		After: percent(after, isVerified),
	}
	if at, ok := fastAgain(during); ok {
		r.Fast = millis(at - p.healthy)
	}
	// The first to come back counts, not the first that left.
	for _, s := range shots {
		if back := s.At + s.Took; s.At >= p.healthy && s.Meaning == drive.Verified && back >= ends {
			if r.Full < 0 || millis(back-ends) < r.Full {
				r.Full = millis(back - ends)
			}
		}
	}
	return r
}

func isWrong(m drive.Meaning) bool    { return m == drive.Wrong }
func isVerified(m drive.Meaning) bool { return m == drive.Verified }

// cut returns the requests that were to leave in a time.
func cut(shots []drive.Shot, from, until time.Duration) []drive.Shot {
	var out []drive.Shot
	for _, s := range shots {
		if s.At >= from && s.At < until {
			out = append(out, s)
		}
	}
	return out
}

// fastAgain says when the first useful answer came after which answers stay
// useful and fast. A slow one without two others among its twenty neighbours is
// the machine's noise.
func fastAgain(shots []drive.Shot) (time.Duration, bool) {
	good := func(s drive.Shot) bool { return s.Meaning.Useful() && s.Took < fast }
	from := 0
	for i, s := range shots {
		if good(s) {
			continue
		}
		bad := 0
		for _, near := range shots[max(0, i-10):min(len(shots), i+11)] {
			if !good(near) {
				bad++
			}
		}
		if bad >= 3 {
			from = i + 1
		}
	}
	for _, s := range shots[from:] {
		if good(s) {
			return s.At + s.Took, true
		}
	}
	return 0, false
}

func number(shots []drive.Shot, is func(drive.Meaning) bool) (n int) {
	for _, s := range shots {
		if is(s.Meaning) {
			n++
		}
	}
	return n
}

func percent(shots []drive.Shot, is func(drive.Meaning) bool) float64 {
	return 100 * float64(number(shots, is)) / float64(max(len(shots), 1))
}

func quantile(shots []drive.Shot, share float64) float64 {
	if len(shots) == 0 {
		return 0
	}
	took := make([]time.Duration, 0, len(shots))
	for _, s := range shots {
		took = append(took, s.Took)
	}
	slices.Sort(took)
	return millis(took[min(int(share*float64(len(took))), len(took)-1)])
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// readTransitions asks the operators' API how the circuit moved. Times are from
// the traffic's beginning.
func (r *result) readTransitions(ctx context.Context, g *rig.Process, begin time.Time) error {
	var status struct {
		Breaker struct {
			Transitions []struct {
				At                 time.Time
				From, To, Evidence string
			}
		}
	}
	if err := drive.Call(ctx, http.MethodGet, "http://"+g.Admin+"/admin/v1/status", "", &status); err != nil {
		return err
	}
	for _, t := range slices.Backward(status.Breaker.Transitions) {
		r.Transitions = append(r.Transitions, fmt.Sprintf("%.2fs %s→%s (%s)", t.At.Sub(begin).Seconds(), t.From, t.To, t.Evidence))
	}
	return nil
}

func printTable(w io.Writer, results []result) {
	fmt.Fprintln(w, "| fault | gateway | useful in the outage | wrong | p50 | p99 | p99.9 | fast again after | calls to the API | first full verdict | full after it | transitions |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, r := range results {
		fmt.Fprintf(w, "| %s | %s | %.2f %% | %d | %.1f ms | %.0f ms | %.0f ms | %s | %d | %s | %.1f %% | %d |\n",
			r.Kind, r.Gateway, r.Useful, r.Wrong, r.P50, r.P99, r.P999, orNever(r.Fast), r.Reached, orNever(r.Full), r.After, len(r.Transitions))
	}
	for _, r := range results {
		if len(r.Transitions) > 0 {
			fmt.Fprintf(w, "\n%s: %s\n", r.Kind, strings.Join(r.Transitions, "; "))
		}
	}
}

func orNever(ms float64) string {
	if ms < 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f ms", ms)
}
