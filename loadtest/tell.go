package loadtest

import (
	"cmp"
	"slices"
	"time"

	"captchagate/loadtest/scenario"
)

// tell makes the run's record of what was sent and seen; early says that not
// all of it was.
func tell(s scenario.Scenario, subjects []*subject, length time.Duration, early bool, load string) Run {
	run := Run{
		Scenario: s.Name, Title: s.Title, About: s.About, Source: s.Source, Seed: s.Seed,
		Began: subjects[0].begin, Seconds: length.Seconds(), Planned: s.Length().Seconds(),
		EndedEarly: early, Machine: machine(load), Phases: phases(s), Passed: true,
	}
	for _, t := range subjects {
		v := t.view(s, length, early)
		target := v.target()
		run.Passed = run.Passed && target.Kept.OK && !run.EndedEarly
		for _, o := range target.Objectives {
			run.Passed = run.Passed && o.Met
		}
		run.Targets = append(run.Targets, target)
	}
	run.Verdict = run.verdict()
	return run
}

func phases(s scenario.Scenario) []Phase {
	var out []Phase
	for i, from := range s.Starts() {
		p := s.Phases[i]
		out = append(out, Phase{
			Name: p.Name, From: from.Seconds(), Until: (from + p.For).Seconds(),
			Rate: p.Rate.String(), Fault: faultText(p.Fault), Outage: p.IsOutage(),
		})
	}
	return out
}

// A view is all that is known of one gateway when the traffic is over.
type view struct {
	*subject
	scenario scenario.Scenario
	sent     []request // those that left, in order
	length   float64
	early    bool     // it was stopped
	members  []Member // one an instance
	circuit  []Band   // of all together
	mode     []Band
	outages  []Outage
	kept     Kept
}

func (t *subject) view(s scenario.Scenario, length time.Duration, early bool) *view {
	v := &view{subject: t, scenario: s, length: length.Seconds(), early: early}
	for _, one := range t.requests {
		if one.tries > 0 {
			v.sent = append(v.sent, one)
		}
	}
	v.readMembers()
	v.outages = v.readOutages()
	v.kept = v.readKept()
	return v
}

func (v *view) target() Target {
	out := Target{
		Name: v.Name, Address: v.urls(), Version: v.Version,
		Total: v.tally(0, v.length), Series: v.series(), Circuit: v.circuit, Mode: v.mode,
		Outages: v.outages, Kept: v.kept, Counts: v.counts(), Events: v.seen.events,
	}
	if len(v.members) > 1 {
		out.Members = v.members
	}
	out.Redis = finish(slices.Clone(v.seen.redis), v.length)
	for _, p := range phases(v.scenario) {
		out.Phases = append(out.Phases, v.tally(p.From, p.Until))
	}
	for _, o := range v.scenario.Objectives {
		out.Objectives = append(out.Objectives, v.meet(o))
	}
	slices.SortStableFunc(out.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return out
}

// between are the requests that were due in a stretch of the run.
func (v *view) between(from, until float64) []request {
	at := func(s request, at float64) int { return cmp.Compare(s.due.Seconds(), at) }
	i, _ := slices.BinarySearchFunc(v.sent, from, at)
	j, _ := slices.BinarySearchFunc(v.sent, until, at)
	return v.sent[i:max(i, j)]
}

// useful reports whether a backend could act on the answer.
func (s *request) useful() bool {
	return s.outcome != failed && s.outcome != wrong && s.outcome != hungUp
}

func (v *view) tally(from, until float64) Tally {
	requests := v.between(from, until)
	t := summarize(requests, v.seen.calls(until)-v.seen.calls(from))
	t.Shadow = v.shadowOf(requests, from, until)
	return t
}

// summarize sums up requests, wherever in the run they lie.
func summarize(requests []request, calls float64) Tally {
	out := Tally{Sent: len(requests), APICalls: int64(calls + 0.5)}
	var took []time.Duration
	useful := 0
	for i := range requests {
		s := &requests[i]
		*out.Answers.of(s.outcome)++
		out.Tries += s.tries
		if s.answer != nil {
			out.Attempts += int64(s.answer.Attempts)
		}
		if s.useful() {
			useful++
		}
		if s.outcome != hungUp {
			took = append(took, s.took)
		}
	}
	out.Useful = percent(useful, len(took))
	slices.Sort(took)
	out.P50, out.P90, out.P99 = quantile(took, 0.5), quantile(took, 0.9), quantile(took, 0.99)
	out.P999, out.Max = quantile(took, 0.999), quantile(took, 1)
	return out
}

// percent of nothing is all of it.
func percent(n, of int) float64 {
	if of == 0 {
		return 100
	}
	return 100 * float64(n) / float64(of)
}

// quantile is the latency that a share of requests did not exceed, in
// milliseconds; sorted must be.
func quantile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return millis(sorted[min(int(share*float64(len(sorted))), len(sorted)-1)])
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

func (v *view) series() []Slot {
	var out []Slot
	for from := 0.0; from < v.length; from += SlotSeconds {
		t := v.tally(from, from+SlotSeconds)
		out = append(out, Slot{t.Sent, t.Answers, t.APICalls, t.P50, t.P99, t.Max})
	}
	return out
}

// counts tells who got what.
func (v *view) counts() []Count {
	n := map[Count]int{}
	for _, s := range v.sent {
		c := Count{User: s.user, Scene: s.scene, Status: s.status}
		if s.answer != nil {
			c.Decision, c.Reason, c.Cause = s.answer.Decision, s.answer.Reason, s.answer.Cause
		}
		n[c]++
	}
	out := make([]Count, 0, len(n))
	for c, times := range n {
		c.N = times
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Scene, b.Scene), cmp.Compare(a.Decision, b.Decision),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Status, b.Status))
	})
	return out
}

// maxLateP99 is how late the load test itself may send, at the 99th percentile:
// beyond that its own wake-ups, and not the gateway, shape the latencies.
const maxLateP99 = 10 * time.Millisecond

func (v *view) readKept() Kept {
	var late []time.Duration
	last := v.length
	for _, s := range v.sent {
		late = append(late, s.sent-s.due)
		last = max(last, s.sent.Seconds())
	}
	slices.Sort(late)
	due := 0
	for _, s := range v.requests {
		if s.due.Seconds() < v.length {
			due++
		}
	}
	k := Kept{
		Intended: float64(due) / v.length, Sent: float64(len(v.sent)) / last,
		LateP50: quantile(late, 0.5), LateP99: quantile(late, 0.99), LateMax: quantile(late, 1),
	}
	switch {
	case len(late) == 0:
		k.Why = "nothing was sent"
	case quantile(late, 0.99) > millis(maxLateP99):
		k.Why = "one request in a hundred left over " + maxLateP99.String() + " late: the machine is too busy; lower the rates, or give it less else to do"
	}
	k.OK = k.Why == ""
	return k
}
