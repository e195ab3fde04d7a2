package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"captchagate/bench/drive"
	"captchagate/bench/rig"
)

// A stage is one part's processes.
type stage struct {
	rig *rig.Rig
	o   options
	n   int // of the round; each part counts from its own hundred on, so that no ticket comes twice
}

// A side is one of the compared, and what its rounds came to.
type side struct {
	name    string
	process *rig.Process // whose CPU counts; nil = nobody's
	addr    string
	path    string
	scene   string
	want    string
	bodies  func(run string) drive.Bodies // nil = questions to /v1/verify
	head    func(into, body []byte) []byte
	rounds  []outcome
}

// An outcome is one round.
type outcome struct {
	drive.Result
	cpu   time.Duration
	floor time.Duration // what the API alone took at the median, in the same round
}

// perRequest is the CPU that a request took, in µs.
func (o outcome) perRequest() float64 {
	return float64(o.cpu.Microseconds()) / float64(max(o.Requests, 1))
}

const allowed, denied = `"decision":"allow"`, `"decision":"deny"`

func gatewaySide(name string, p *rig.Process) *side {
	return &side{name: name, process: p, addr: p.Addr, path: "/v1/verify", want: allowed}
}

// alternate runs a short round of each side to warm up and then o.rounds of
// each, every other time in the other order. tickets, if not nil, is the simulator that issues them.
func (s *stage) alternate(ctx context.Context, conns int, length time.Duration, tickets *rig.Process, sides ...*side) error {
	for round := range s.o.rounds + 1 {
		for _, one := range inTurn(round, sides) {
			d := length
			if round == 0 {
				d = min(length, time.Second)
			}
			got, err := s.round(ctx, one, conns, d, tickets)
			if err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			if round > 0 {
				one.rounds = append(one.rounds, got)
			}
		}
	}
	return nil
}

// inTurn has nobody always come behind the same one.
func inTurn(round int, sides []*side) []*side {
	sides = slices.Clone(sides)
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	return sides
}

func (s *stage) round(ctx context.Context, one *side, conns int, d time.Duration, tickets *rig.Process) (o outcome, err error) {
	s.n++
	r := drive.Round{Addr: one.addr, Path: one.path, Conns: conns, For: d, Want: one.want, Head: one.head}
	run := fmt.Sprintf("%04dround", s.n)
	switch {
	case one.bodies != nil:
		r.Next = one.bodies(run)
	case tickets != nil:
		r.Most = 100_000
		given, err := drive.Tickets(ctx, tickets.Addr, r.Most)
		if err != nil {
			return o, err
		}
		r.Next = drive.Given(given, one.scene)
	default:
		r.Next = drive.Made(run, one.scene)
	}
	runtime.GC() // not in the midst of the round
	before := cpuOf(one.process)
	if o.Result, err = r.Run(); err != nil {
		return o, err
	}
	o.cpu = cpuOf(one.process) - before
	if o.Wrong > 0 {
		fmt.Fprintf(os.Stderr, "  %s: %d of %d answers were not as wanted, such as %s\n", one.name, o.Wrong, o.Requests, o.Example)
	}
	return o, nil
}

func cpuOf(p *rig.Process) time.Duration {
	if p == nil {
		return 0
	}
	cpu, err := p.CPU()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
	}
	return cpu
}

// compare makes a row of a figure of each round.
func compare(id, what, unit string, ours, theirs *side, figure func(outcome) float64) row {
	a, b := figures(ours, figure), figures(theirs, figure)
	r := row{ID: id, What: what, Unit: unit, Ours: median(a), Theirs: median(b), Wrong: wrongs{ours.wrong(), theirs.wrong()}}
	r.Met = r.Wrong.few()
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	r.Ratio, r.Low, r.High = r.Ours/r.Theirs, slices.Min(ratios), slices.Max(ratios)
	return r
}

// wrong are those of all rounds that count.
func (s *side) wrong() (all share) {
	for _, o := range s.rounds {
		all.N += o.Wrong
		all.Of += o.Requests
	}
	return all
}

func figures(s *side, figure func(outcome) float64) []float64 {
	out := make([]float64, 0, len(s.rounds))
	for _, o := range s.rounds {
		out = append(out, figure(o))
	}
	return out
}

func median(f []float64) float64 {
	f = slices.Sorted(slices.Values(f))
	return (f[(len(f)-1)/2] + f[len(f)/2]) / 2
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
