package demo

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A story is what happened, newest last.
type story struct {
	mu     sync.Mutex
	events []event
}

type event struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"` // you, change (by you or an operator) or circuit
	Text   string    `json:"text"`
	Detail string    `json:"detail,omitempty"` // for who knows the gateway
}

func (s *story) tell(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{At: time.Now(), Kind: kind, Text: text})
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
	Drills []struct {
		Scene string  `json:"scene"`
		Share float64 `json:"share"`
	} `json:"drills"`
	Breaker struct {
		State       string       `json:"state"`
		Transitions []transition `json:"transitions"` // newest first
	} `json:"breaker"`
	Account struct {
		State string `json:"state"` // ok, refused or suspect
	} `json:"account"`
	Upstream struct {
		Throttled *struct{} `json:"throttled"` // nil where the API verifies everybody
	} `json:"upstream"`
	Replicas []replica `json:"replicas"` // of a fleet
}

// circuit is the breaker's state, and "lifted" where users return only because
// an operator let go, and not from an outage; "refused", "suspect" or "throttled" where
// the API is there and verifies nobody, or not everybody.
func (s state) circuit() string {
	account := s.Account.State
	switch {
	case account == "refused", s.Breaker.State == "closed" && account == "suspect":
		return account
	case s.Breaker.State == "closed" && s.Upstream.Throttled != nil:
		return "throttled"
	}
	if ts := s.Breaker.Transitions; s.Breaker.State == recovering && len(ts) > 0 && ts[0].lifts() {
		return "lifted"
	}
	return s.Breaker.State
}

type transition struct {
	At       time.Time `json:"at"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Evidence string    `json:"evidence"`
}

const (
	recovering = "recovering"
	nobody     = "nobody" // answers: all instances of a fleet are killed
)

func (t transition) lifts() bool { return t.From == "closed" && t.To == recovering }

// text is what the transition means to somebody who knows no circuits.
func (t transition) text() string {
	switch {
	case t.lifts():
		return "Users return little by little: the operator let go"
	case t.To == recovering:
		return "The API is back: users return little by little"
	case t.To == "closed":
		return "Everybody is verified again"
	case t.To == "half_open":
		return "The API answered a question of the gateway's"
	case t.From == "closed":
		return "The gateway sees that the API fails, and answers by itself"
	}
	return "The API failed again"
}

// status tells the page how everything stands.
func (d *Demo) status(w http.ResponseWriter, r *http.Request) {
	var now state
	var audit struct{ Entries []entry }
	var broken, script struct {
		Kind string `json:"kind"`
	}
	for address, answer := range map[string]any{
		d.cfg.Admin + "/admin/v1/status": &now, fmt.Sprint(d.cfg.Admin, "/admin/v1/audit?limit=", mostEvents): &audit,
		d.cfg.Simulator + "/_sim/fault": &broken, d.cfg.Simulator + "/_sim/script": &script,
	} {
		err := d.call(r.Context(), http.MethodGet, address, nil, answer)
		if err != nil && d.cfg.Fleet != nil && strings.HasPrefix(address, d.cfg.Admin) {
			now.Breaker.State = nobody
			continue
		}
		if err != nil {
			refuse(w, http.StatusBadGateway, "the demonstration's parts could not be asked: "+err.Error())
			return
		}
	}
	events, cut := d.told(now, audit.Entries)
	writeJSON(w, http.StatusOK, map[string]any{
		"now": time.Now().Unix(), "mode": now.Mode, "override": now.Override, "drills": now.Drills, "circuit": now.circuit(),
		"api": broken.Kind, "script": script.Kind, "line": d.crowd.soFar(), "events": events, "cut": cut,
		"fleet": d.processes(now),
	})
}

// told is what happened to the circuit, to the account and to what else keeps users from
// a verdict, and what operators did besides, oldest first, and whether older events are
// left out.
func (d *Demo) told(now state, audit []entry) (newest []event, cut bool) {
	all := d.story.soFar()
	for _, t := range now.Breaker.Transitions {
		all = append(all, event{t.At, "circuit", t.text(), t.Evidence})
	}
	for _, e := range audit {
		if e.Kind == "transition" && !strings.HasPrefix(e.Summary, "circuit ") { // of the account, the script, the API's limit
			all = append(all, event{e.At, "circuit", strings.ToUpper(e.Summary[:1]) + e.Summary[1:], ""})
		}
		if e.Kind == "switch" {
			all = append(all, event{e.At, "change", cmp.Or(map[string]string{"gateway": "Its time is over: "}[e.Actor], "An operator: ") + e.Summary, ""})
		}
	}
	slices.SortFunc(all, func(a, b event) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-mostEvents):], len(all) > mostEvents
}

// An entry is one of the operators' audit.
type entry struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Actor   string    `json:"actor"` // "gateway" of what ended by itself
	Summary string    `json:"summary"`
}

// auto ends what operators force, also drills.
func (d *Demo) auto(w http.ResponseWriter, r *http.Request) {
	var now state
	err := d.call(r.Context(), http.MethodGet, d.cfg.Admin+"/admin/v1/status", nil, &now)
	orders := []map[string]string{}
	if now.Override != nil {
		orders = append(orders, map[string]string{"mode": "auto", "reason": byHand})
	}
	for _, drill := range now.Drills {
		orders = append(orders, map[string]string{"mode": "auto", "scene": drill.Scene, "reason": byHand})
	}
	for _, order := range orders {
		if err == nil {
			err = d.call(r.Context(), http.MethodPut, d.cfg.Admin+"/admin/v1/mode", order, &now)
		}
	}
	if err != nil {
		refuse(w, http.StatusBadGateway, "the switch could not be thrown: "+err.Error())
		return
	}
	writeJSON(w, http.StatusOK, map[string]int{"ended": len(orders)})
}

const byHand = "ended on the demo page"
