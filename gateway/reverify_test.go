package gateway_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

// reports is the body of the webhook, and of GET /admin/v1/reverified.
type reports struct {
	IncidentID *string `json:"incident_id"`
	Reports    []struct {
		DecisionID   string    `json:"decision_id"`
		Result       string    `json:"result"`
		Scene        string    `json:"scene"`
		Reference    string    `json:"reference"`
		CaptchaCode  *int      `json:"captcha_code"`
		DecidedAt    time.Time `json:"decided_at"`
		ReverifiedAt time.Time `json:"reverified_at"`
	} `json:"reports"`
}

// reverified asks the operators' API.
func (h *house) reverified() (r reports) {
	h.t.Helper()
	w, _ := h.send(h.operators, "GET", "/admin/v1/reverified?limit=1000", "")
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != http.StatusOK {
		h.t.Fatalf("%d %v: %s", w.Code, err, w.Body)
	}
	return r
}

// results are the reports' results by decision.
func (r reports) results() map[string]string {
	found := map[string]string{}
	for _, one := range r.Reports {
		found[one.DecisionID] = one.Result
	}
	return found
}

// passes asks about a new comment, and checks that it was let through.
func (h *house) passes(f fields) answer {
	h.t.Helper()
	a := h.ask(f)
	if a.Decision != "allow" || a.Reason != "degraded_allow" {
		h.t.Fatalf("got %v, want a degraded pass", a)
	}
	return a
}

// bad is a comment by somebody of that address and subject, let through with a
// ticket of a kind that the API would have turned down.
func (h *house) bad(kind, ip, subject string) answer {
	h.t.Helper()
	f := h.user("comment", kind)
	f["user_ip"], f["subject"] = ip, subject
	return h.passes(f)
}

// finds checks that exactly these decisions were reported, in the contract's
// form.
func (h *house) finds(want map[string]string) {
	h.t.Helper()
	r := h.reverified()
	got := r.results()
	for id, result := range want {
		if got[id] != result {
			h.t.Errorf("decision %s: %q, want %q", id, got[id], result)
		}
	}
	if len(r.Reports) != len(want) || len(got) != len(want) {
		h.t.Errorf("%d reports of %d decisions, want %d", len(r.Reports), len(got), len(want))
	}
	for _, one := range r.Reports {
		switch code := one.CaptchaCode; {
		case one.Scene != "comment" || one.ReverifiedAt.Before(one.DecidedAt) || code == nil:
			h.t.Errorf("an odd report: %+v", one)
		case one.Result == "confirmed" && *code != 1, one.Result == "unverifiable" && *code != 9,
			one.Result == "refuted" && strings.HasSuffix(one.Reference, "forged") != (*code == 15),
			one.Result == "refuted" && strings.HasSuffix(one.Reference, "evil") != (*code == 1):
			h.t.Errorf("%s (%s) with code %d", one.Result, one.Reference, *code)
		}
	}
}

// The story of what an outage let through: once the API is back, each ticket is
// asked about again, and exactly the bad ones are refuted.
func TestReverify_TheStoryOfWhatAnOutageLetThrough(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		want, doubts := map[string]string{}, 0
		h.crowd("login", 100, time.Second)
		// The API uses tickets up and does not answer: of some nobody will know.
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		h.sim.ResetStats()
		crowd := h.crowd("comment", 130, 500*time.Millisecond)
		doubts = int(h.sim.Stats().TicketsConsumed)
		if doubts < 20 || doubts > 50 {
			t.Errorf("%d of 65 tickets are in doubt", doubts)
		}
		// Later ones wait here, good and bad.
		results := map[string]string{"valid": "confirmed", "forged": "refuted", "evil": "refuted", "used": "refuted"}
		for i, kind := range []string{"valid", "forged", "valid", "evil", "used", "valid", "forged"} {
			f := h.user("comment", kind)
			f["reference"] = fmt.Sprintf("comment %d, %s", i, kind)
			want[h.passes(f).ID] = results[kind]
		}
		h.ask(h.user("login", simulator.TicketForged)) // not let through: not asked about
		time.Sleep(10 * time.Second)
		if got := h.reverified(); len(got.Reports) != 0 {
			t.Errorf("reported while the API was away: %+v", got)
		}
		h.sim.ClearFault()
		h.sim.ResetStats()
		h.awaits("recovering", 2*time.Second)
		h.awaits("closed", time.Minute)
		time.Sleep(15 * time.Second)
		got, unverifiable := h.reverified().results(), 0
		for _, a := range crowd {
			if want[a.ID] = "confirmed"; a.Attempts > 0 && got[a.ID] == "unverifiable" {
				want[a.ID] = got[a.ID] // not so where the call was released before it got there
				unverifiable++
			}
		}
		if unverifiable != doubts {
			t.Errorf("%d tickets are unverifiable, %d were used up unheard", unverifiable, doubts)
		}
		h.finds(want)
		if n := h.sim.Stats(); n.Requests-n.Disaster != int64(len(want)) {
			t.Errorf("%d questions about %d tickets", n.Requests-n.Disaster, len(want))
		}
		if got := h.reverified(); got.IncidentID == nil || *got.IncidentID != h.incidents()[0].ID {
			t.Errorf("reported of %v, want of the incident", got.IncidentID)
		}
		counted := h.incidents()[0].Reverified
		if counted.Refuted != 4 || counted.Unverifiable != doubts || counted.Confirmed+4+doubts != len(want) || counted.Waiting != 0 {
			t.Errorf("the incident counts %+v", counted)
		}
	})
}

// A ticket whose life ends before the API is back is not asked about, and is
// reported as what nobody can tell any more.
func TestReverify_TellsWhatNobodyCanTellAnyMore(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.outage(simulator.HTTP502)
		early := h.passes(h.user("comment", simulator.TicketForged))
		time.Sleep(4 * time.Minute)
		late := h.passes(h.user("comment", simulator.TicketForged))
		time.Sleep(2 * time.Minute)
		h.sim.ClearFault()
		time.Sleep(time.Minute)
		if got := h.reverified().results(); got[early.ID] != "unverifiable" || got[late.ID] != "refuted" || len(got) != 2 {
			t.Errorf("got %v", got)
		}
	})
}

// S9: an address or subject that re-verification refuted has no budget for a
// day, not for a pass and not for a solved challenge, also after a restart.
func TestReverify_WhoWasRefutedHasNoBudgetForADay(t *testing.T) {
	long(t)
	inTown(t, cheap, func(w *town) {
		w.outage(simulator.HTTP502)
		w.bad(simulator.TicketForged, "192.0.2.66", "mallory")
		w.bad(simulator.TicketEvil, "2001:db8::66", "")
		w.bad(simulator.TicketValid, "192.0.2.7", "anna")
		w.sim.ClearFault()
		w.awaits("closed", time.Minute)
		time.Sleep(15 * time.Second)
		began := time.Now()
		const passed, none = "allow degraded_allow degraded forced", "challenge challenge_required degraded budget_spent"
		comments := func(when, ip, subject, want string) {
			w.t.Helper()
			f := w.user("comment", simulator.TicketValid)
			f["user_ip"], f["subject"] = ip, subject
			w.expect(fmt.Sprintf("%s, %s %q", when, ip, subject), w.ask(f), want)
		}
		holds := func(when string) {
			w.t.Helper()
			w.throws(`{"mode":"degraded","reason":"test"}`)
			comments(when, "192.0.2.66", "", none)
			comments(when, "::ffff:192.0.2.66", "berta", none)
			comments(when, "198.51.100.1", "mallory", none)
			comments(when, "2001:db8::1:67", "", none)
			comments(when, "192.0.2.67", "", passed)
			comments(when, "2001:db8:0:1::66", "", passed)
			comments(when, "192.0.2.7", "anna", passed)
			solved := w.solves("login", w.solve(w.puzzle("login")), fields{"user_ip": "192.0.2.66"})
			w.expect(when+", a solved challenge", solved, "deny degraded_deny degraded budget_spent")
			f := w.user("comment", simulator.TicketValid)
			f["ticket"], f["user_ip"] = forged(time.Now()), "192.0.2.66"
			w.expect(when+", a disaster ticket", w.ask(f), none)
			w.throws(`{"mode":"auto","reason":"test"}`)
			w.awaits("closed", time.Minute)
			f = w.user("comment", simulator.TicketValid)
			f["user_ip"] = "192.0.2.66"
			w.expect(when+", verified", w.ask(f), "allow verified normal -")
		}
		holds("at once")
		w.restarts(time.Minute)
		holds("after a restart")
		time.Sleep(time.Until(began.Add(24*time.Hour - 2*time.Minute)))
		holds("after almost a day")
		time.Sleep(5 * time.Minute)
		w.throws(`{"mode":"degraded","reason":"test"}`)
		comments("after a day", "192.0.2.66", "mallory", passed)
	})
}

// A restart in the outage forgets nobody who was let through: neither whom to
// ask about nor what was spent here.
func TestReverify_ARestartForgetsNobody(t *testing.T) {
	inTown(t, nil, func(w *town) {
		w.outage(simulator.HTTP502)
		want, spent := map[string]string{}, []fields{}
		for i := range 10 {
			kind, result := simulator.TicketValid, "confirmed"
			if i%2 == 0 {
				kind, result = simulator.TicketForged, "refuted"
			}
			f := w.user("comment", kind)
			want[w.passes(f).ID] = result
			spent = append(spent, f)
		}
		w.restarts(10 * time.Second)
		for _, f := range spent {
			w.expect("a ticket of before", w.ask(f), "deny rejected normal -")
		}
		w.throws(`{"mode":"degraded","reason":"test"}`)
		for _, f := range spent {
			w.expect("a ticket of before, forced degraded", w.ask(f), "deny rejected degraded forced")
		}
		w.throws(`{"mode":"auto","reason":"test"}`)
		w.sim.ClearFault()
		time.Sleep(time.Minute)
		if got := w.reverified().results(); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		w.restarts(time.Second) // and what was asked about in between stays spent
		w.throws(`{"mode":"degraded","reason":"test"}`)
		for _, f := range spent {
			w.expect("a ticket that was asked about", w.ask(f), "deny rejected degraded forced")
		}
	})
}
