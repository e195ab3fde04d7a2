package loadtest

import (
	"slices"
	"time"

	"captchagate/loadtest/scenario"
)

// Progress is how a run stands while it goes on.
type Progress struct {
	At, Length time.Duration
	Phase      string
	Rate       string // of the phase, in words
	Fault      string // of the phase, in words; "" = none
	Targets    []TargetProgress
}

// TargetProgress is one gateway's.
type TargetProgress struct {
	Name    string
	Answers Answers
	P99     float64 // of the last answers, in milliseconds
	Circuit string  // "" if it does not tell
	Mode    string
}

func progressOf(s scenario.Scenario, subjects []*subject) Progress {
	p := Progress{At: max(subjects[0].since(), 0), Length: s.Length()}
	for i, start := range s.Starts() {
		if p.At >= start {
			p.Phase, p.Rate, p.Fault = s.Phases[i].Name, s.Phases[i].Rate.String(), faultText(s.Phases[i].Fault)
		}
	}
	for _, t := range subjects {
		p.Targets = append(p.Targets, t.progress())
	}
	return p
}

func (t *subject) progress() TargetProgress {
	out := TargetProgress{Name: t.Name}
	for f := range t.live.outcomes {
		*out.Answers.of(outcome(f)) = int(t.live.outcomes[f].Load())
	}
	t.live.mu.Lock()
	took := slices.Clone(t.live.recent[:min(t.live.n, len(t.live.recent))])
	t.live.mu.Unlock()
	slices.Sort(took)
	out.P99 = quantile(took, 0.99)
	out.Circuit, out.Mode = t.now()
	return out
}
