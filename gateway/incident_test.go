package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

// incident is one of GET /admin/v1/incidents.
type incident struct {
	ID          string     `json:"id"`
	Began       time.Time  `json:"began"`
	Ended       *time.Time `json:"ended"`
	Evidence    string     `json:"evidence"`
	Interrupted bool       `json:"interrupted"`
	Parts       []struct {
		Kind  string
		Ended *time.Time
	} `json:"parts"`
	Answers []struct {
		Decision, Cause string
		Count           int
	} `json:"answers"`
	Reverified struct{ Waiting, Confirmed, Refuted, Unverifiable int } `json:"reverified"`
}

// kinds are the kinds of the incident's parts, in order.
func (i incident) kinds() string {
	var kinds []string
	for _, p := range i.Parts {
		kinds = append(kinds, p.Kind)
	}
	return strings.Join(kinds, " ")
}

// counted are the incident's answers by decision and cause.
func (i incident) counted() map[string]int {
	n := map[string]int{}
	for _, a := range i.Answers {
		n[a.Decision+" "+a.Cause] = a.Count
	}
	return n
}

// incidents asks the operators' API, newest first.
func (h *house) incidents() []incident {
	h.t.Helper()
	w, _ := h.send(h.operators, "GET", "/admin/v1/incidents", "")
	var found struct{ Incidents []incident }
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || w.Code != http.StatusOK {
		h.t.Fatalf("%d %v: %s", w.Code, err, w.Body)
	}
	return found.Incidents
}

// only is the one incident that there is.
func (h *house) only() incident {
	h.t.Helper()
	found := h.incidents()
	if len(found) != 1 {
		h.t.Fatalf("%d incidents, want one: %+v", len(found), found)
	}
	return found[0]
}

// adds checks that the incident counts these answers and no other.
func (h *house) adds(i incident, crowds ...[]answer) {
	h.t.Helper()
	want := map[string]int{}
	for _, crowd := range crowds {
		for _, a := range crowd {
			want[a.Decision+" "+a.Cause]++
		}
	}
	got := i.counted()
	for what, n := range want {
		if got[what] != n {
			h.t.Errorf("the incident counts %d %q, want %d", got[what], what, n)
		}
	}
	if len(got) != len(want) {
		h.t.Errorf("the incident counts %v, want %v", got, want)
	}
}

// near checks that a time is that of an event, to the second.
func (h *house) near(what string, got, want time.Time) {
	h.t.Helper()
	if d := got.Sub(want).Abs(); d > time.Second {
		h.t.Errorf("%s at %v, want %v", what, got, want)
	}
}

// One outage is one incident, which says when it was, how that was known, and
// what was answered in it.
func TestIncident_SumsAnOutageUp(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.crowd("login", 100, time.Second)
		if got := h.incidents(); len(got) != 0 {
			t.Fatalf("in peace: %+v", got)
		}
		began := time.Now()
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		crowds := [][]answer{h.crowd("comment", 130, 2*time.Second), h.crowd("payment", 50, time.Second), h.crowd("login", 50, time.Second)}
		i := h.only()
		if i.Ended != nil || i.kinds() != "circuit" || i.Evidence == "" || i.Interrupted {
			t.Errorf("while it goes on: %+v", i)
		}
		h.near("began", i.Began, began)
		h.sim.ClearFault()
		h.awaits("recovering", 3*time.Second)
		crowds = append(crowds, h.crowd("login", 100, time.Second)) // some are verified
		h.awaits("closed", time.Minute)
		ended := time.Now()
		h.crowd("login", 100, time.Second)
		after := h.only()
		if after.ID != i.ID || after.Ended == nil {
			t.Fatalf("after it: %+v", after)
		}
		h.near("ended", *after.Ended, ended)
		h.adds(after, crowds...)
		audit := h.audits("incident")
		if len(audit) != 1 || !strings.Contains(audit[0], "460 answers") {
			t.Errorf("the audit has %v", audit)
		}
		if !strings.Contains(h.log.String(), i.ID) {
			t.Error("the log does not name it")
		}
	})
}

// Who was let through while calls failed and the circuit was still closed belongs
// to the outage, in its counts and when asked about again. Where no outage came of
// it, it belongs to none.
func TestIncident_BeginsWithTheFirstWhoWasLetThrough(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.crowd("comment", 100, time.Second)
		h.breaks(simulator.Fault{Kind: simulator.InternalError})
		chance := h.passes(h.user("comment", simulator.TicketValid))
		h.sim.ClearFault()
		h.crowd("comment", 100, 30*time.Second)
		if got := h.reverified(); got.IncidentID != nil || got.results()[chance.ID] == "" || len(h.incidents()) != 0 {
			t.Errorf("chance is reported of %v: %+v", got.IncidentID, got.results())
		}
		began := time.Now()
		h.breaks(simulator.Fault{Kind: simulator.InternalError})
		crowd := h.crowd("comment", 100, 2*time.Second)
		i, before := h.only(), count(crowd)["allow degraded_allow degraded upstream_fault"]
		h.adds(i, crowd)
		if before == 0 || i.Reverified.Waiting != len(crowd) {
			t.Errorf("%d of %d came before the opening; %+v", before, len(crowd), i.Reverified)
		}
		if late := i.Began.Sub(began); late < 0 || late > 250*time.Millisecond {
			t.Errorf("it began %v after the API broke", late)
		}
		h.sim.ClearFault()
		h.awaits("closed", time.Minute)
		time.Sleep(15 * time.Second)
		if i = h.only(); i.Reverified.Confirmed != len(crowd) {
			t.Errorf("%d of %d were confirmed: %+v", i.Reverified.Confirmed, len(crowd), i.Reverified)
		}
	})
}

// A forced degraded mode of less than a second is an incident too, to the moment
// and to the user.
func TestIncident_AShortSpellIsOne(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test","for":"300ms"}`)
		crowd := h.crowd("comment", 100, 250*time.Millisecond)
		time.Sleep(2 * time.Second)
		i := h.only()
		h.adds(i, crowd)
		if i.Ended == nil || i.Ended.Sub(i.Began) != 300*time.Millisecond || i.kinds() != "forced" {
			t.Errorf("it is %+v", i)
		}
	})
}

// Falling back while users return is the same outage.
func TestIncident_AFallBackIsTheSameOutage(t *testing.T) {
	long(t)
	inHouse(t, nil, func(h *house) {
		h.outage(simulator.InternalError)
		time.Sleep(20 * time.Second)
		h.sim.ClearFault()
		h.awaits("recovering", 3*time.Second)
		h.breaks(simulator.Fault{Kind: simulator.InternalError})
		h.crowd("login", 200, 2*time.Second)
		h.awaits("open", 5*time.Second)
		h.sim.ClearFault()
		h.awaits("closed", 2*time.Minute)
		if i := h.only(); i.Ended == nil || i.kinds() != "circuit" {
			t.Errorf("%+v", i)
		}
	})
}

// A forced degraded mode, a refused account and a script that is away are
// outages too; several together are one.
func TestIncident_KnowsEveryKind(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"maintenance"}`)
		crowd := h.crowd("comment", 50, 2*time.Second) // the first in the same instant
		h.throws(`{"mode":"auto","reason":"done"}`)
		i := h.only()
		if i.kinds() != "forced" || i.Ended == nil || !strings.Contains(i.Evidence, "maintenance") {
			t.Errorf("forced: %+v", i)
		}
		h.adds(i, crowd)
		h.awaits("closed", time.Minute)

		h.breaks(simulator.Fault{Kind: simulator.AuthFailure})
		h.crowd("comment", 10, time.Second)
		h.sim.ClearFault()
		time.Sleep(3 * time.Second)
		h.ask(h.user("login", simulator.TicketValid))
		time.Sleep(time.Second)
		if found := h.incidents(); len(found) != 2 || found[0].kinds() != "account" || found[0].Ended == nil {
			t.Errorf("account: %+v", found)
		}

		h.scriptBreaks(simulator.ScriptNotFound)
		h.outage(simulator.Hang)
		h.throws(`{"mode":"degraded","reason":"both"}`)
		time.Sleep(2 * time.Second)
		h.throws(`{"mode":"auto","reason":"done"}`)
		h.sim.ClearFault()
		h.awaits("closed", time.Minute)
		if found := h.incidents(); len(found) != 3 || found[0].kinds() != "script circuit forced" || found[0].Ended != nil {
			t.Errorf("three at once: %+v", found)
		}
		if err := h.sim.SetScriptFault(simulator.ScriptFault{Kind: simulator.ScriptOK}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if found := h.incidents(); len(found) != 3 || found[0].Ended == nil {
			t.Errorf("it is over: %+v", found)
		}
		if audit := h.audits("incident"); len(audit) != 3 {
			t.Errorf("the audit has %v", audit)
		}
	})
}

// An outage that shows only once users return from a forced degraded mode is an
// incident like any other.
func TestIncident_AnOutageFoundOnReturnIsOne(t *testing.T) {
	long(t)
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		time.Sleep(time.Minute)
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		h.throws(`{"mode":"auto","reason":"test"}`)
		h.crowd("login", 200, 3*time.Second)
		h.awaits("open", 5*time.Second)
		crowd := h.crowd("comment", 50, time.Second)
		found := h.incidents()
		if len(found) == 0 || found[0].Ended != nil || !strings.HasSuffix(found[0].kinds(), "circuit") {
			t.Fatalf("%+v", found)
		}
		if n := found[0].counted()["allow circuit_open"]; n != len(crowd) {
			t.Errorf("%d of %d answers counted", n, len(crowd))
		}
		h.sim.ClearFault()
		h.awaits("closed", time.Minute)
		if i := h.incidents()[0]; i.Ended == nil {
			t.Errorf("not over: %+v", i)
		}
	})
}
