package demo

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// A story is what happened, newest last.
type story struct {
	mu     sync.Mutex
	events []event
}

type event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // you, break or circuit
	Text string    `json:"text"`
}

func (s *story) tell(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{time.Now(), kind, text})
	s.events = s.events[max(0, len(s.events)-mostEvents):]
}

func (s *story) soFar() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event{}, s.events...) // a list even where nothing happened
}

// state is what the page needs of the gateway's own status.
type state struct {
	Mode     string `json:"mode"`
	Override *struct {
		Mode   string `json:"mode"`
		Reason string `json:"reason"`
	} `json:"override"` // nil where nobody forces a mode
	Breaker struct {
		State       string `json:"state"`
		Evidence    string `json:"evidence"`
		Transitions []struct {
			At       time.Time `json:"at"`
			From     string    `json:"from"`
			To       string    `json:"to"`
			Evidence string    `json:"evidence"`
		} `json:"transitions"`
	} `json:"breaker"`
}

// status tells the page how everything stands. Whoever asks is watching.
func (d *Demo) status(w http.ResponseWriter, r *http.Request) {
	var now state
	var stats struct {
		Requests int64 `json:"requests"`
	}
	var broken, script struct {
		Kind string `json:"kind"`
	}
	for address, answer := range map[string]any{
		d.cfg.Admin + "/admin/v1/status": &now, d.cfg.Simulator + "/_sim/stats": &stats,
		d.cfg.Simulator + "/_sim/fault": &broken, d.cfg.Simulator + "/_sim/script": &script,
	} {
		if err := d.call(r.Context(), http.MethodGet, address, nil, answer); err != nil {
			refuse(w, http.StatusBadGateway, "the demonstration's parts could not be asked: "+err.Error())
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"now": time.Now().Unix(), "mode": now.Mode, "override": now.Override, "circuit": now.Breaker.State,
		"api": broken.Kind, "script": script.Kind, "api_calls": stats.Requests,
		"line": d.crowd.watch(), "events": d.told(now),
	})
}

// told is what happened, with the circuit's own changes, oldest first.
func (d *Demo) told(now state) []event {
	all := d.story.soFar()
	for _, t := range now.Breaker.Transitions {
		all = append(all, event{t.At, "circuit", "Circuit " + t.From + " → " + t.To + ": " + t.Evidence})
	}
	slices.SortFunc(all, func(a, b event) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-mostEvents):]
}
