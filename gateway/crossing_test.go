package gateway_test

import (
	"slices"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/simulator"
)

// What users of the scene login get, 100 of them a second.
const (
	verified   = "allow verified normal -"
	forced     = "challenge challenge_required degraded forced"
	open       = "challenge challenge_required degraded circuit_open"
	recovering = "challenge challenge_required degraded recovering"
)

// A second is what happens at its beginning, and what users get in it: each of
// get, some of may, which is a matter of when a probe is due, and nothing else.
type second struct {
	event    func(w *town)
	get, may []string
}

// C6, C7, A5: what operators, outages and restarts do to each other, second by
// second.
func TestGateway_WhatCrossesAnOutage(t *testing.T) {
	throw := func(body string) func(w *town) { return func(w *town) { w.throws(body) } }
	hang := func(w *town) { w.breaks(simulator.Fault{Kind: simulator.Hang}) }
	heal := func(w *town) { w.sim.ClearFault() }
	for name, seconds := range map[string][]second{
		"a forced mode that is lifted into an outage": {
			{nil, []string{verified}, nil},
			{throw(`{"mode":"degraded","reason":"test"}`), []string{forced}, nil},
			{hang, []string{forced}, nil},
			{throw(`{"mode":"auto","reason":"test"}`), []string{open, recovering}, nil}, // few are sent, and wait
			{nil, []string{open}, nil},
			{heal, []string{open}, []string{recovering, verified}},
			{nil, []string{verified}, []string{open, recovering}},
			{nil, []string{verified}, []string{recovering}},
			{nil, []string{verified}, nil},
		},
		"an outage inside a drill": {
			{throw(`{"mode":"degraded","reason":"test","scene":"login","share":0.5}`), []string{forced, verified}, nil},
			{hang, []string{forced, open}, nil},
			{nil, []string{forced, open}, nil},
			{throw(`{"mode":"auto","reason":"test","scene":"login"}`), []string{open}, nil},
			{heal, []string{open}, []string{recovering, verified}},
			{nil, []string{verified}, []string{open, recovering}},
			{nil, []string{verified}, []string{recovering}},
			{nil, []string{verified}, nil},
		},
		"a restart inside an outage": {
			{nil, []string{verified}, nil},
			{hang, []string{open}, nil},
			{func(w *town) { w.restarts(time.Second) }, []string{open}, nil},
			{nil, []string{open}, nil},
			{heal, []string{open}, []string{recovering, verified}},
			{nil, []string{verified}, []string{open, recovering}},
			{nil, []string{verified}, []string{recovering}},
			{nil, []string{verified}, nil},
		},
		"a reload inside a ramp": {
			{nil, []string{verified}, nil},
			{hang, []string{open}, nil},
			{nil, []string{open}, nil},
			{heal, []string{open}, []string{recovering, verified}},
			{func(w *town) { w.reloads(func(*config.Config) {}) }, []string{verified}, []string{open, recovering}},
			{nil, []string{verified}, []string{recovering}},
			{nil, []string{verified}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, nil, func(w *town) {
				w.house.cfg = w.cfg
				for n, s := range seconds {
					if s.event != nil {
						s.event(w)
					}
					got := count(w.crowd("login", 100, time.Second))
					t.Logf("second %d: %v", n, got)
					for what := range got {
						if !slices.Contains(s.get, what) && !slices.Contains(s.may, what) {
							t.Errorf("second %d: %d got %q", n, got[what], what)
						}
					}
					for _, what := range s.get {
						if got[what] == 0 {
							t.Errorf("second %d: nobody got %q, but %v", n, what, got)
						}
					}
				}
			})
		})
	}
}
