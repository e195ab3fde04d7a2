package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

// disasterForms are tickets that pages make up when the script fails, of every
// form met in the field: A is our app id, T the time.
var disasterForms = map[string]string{
	"standard": "trerror_1001_A_T", "five parts": "trerror_1002_A_T_extra", "old": "terror_1003_A_T", "old, five parts": "terror_1004_A_T_extra_more",
	"glued": "terror_1001_AT", "glued, new": "trerror_1001_AT", "no app id": "trerror_1001_T", "empty app id": "trerror_1001__T",
	"no time": "trerror_1001_A", "undefined app id": "trerror_1001_undefined_T", "undefined, glued": "terror_1001_undefinedT",
	"time-out of the invisible mode": "trerror_1085_A_T",
}

func disasterTicket(form string, app uint64, at time.Time) string {
	return strings.NewReplacer("A", fmt.Sprint(app), "T", fmt.Sprint(at.Unix())).Replace(form)
}

// asksDisaster asks about a new user with a disaster ticket.
func (h *house) asksDisaster(scene, ticket string) answer {
	h.t.Helper()
	f := h.user(scene, simulator.TicketValid)
	f["ticket"], f["randstr"] = ticket, "@disaster"
	return h.ask(f)
}

// S1: of whatever form, a disaster ticket opens nothing by itself, is never
// sent to the API, and takes the scene's action where operators say that the
// API is to be treated as down.
func TestDisasterTickets_OpenNothingByThemselves(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for form, ticket := range disasterForms {
			ticket = disasterTicket(ticket, simulator.DefaultAppID, time.Now())
			h.expect(form, h.asksDisaster("comment", ticket), "challenge challenge_required degraded disaster_ticket")
			h.expect(form, h.asksDisaster("payment", ticket), "deny degraded_deny degraded disaster_ticket")
		}
		h.throws(`{"mode":"degraded","reason":"the script is away"}`)
		for form, ticket := range disasterForms {
			ticket = disasterTicket(ticket, simulator.DefaultAppID, time.Now())
			want := "allow degraded_allow degraded disaster_ticket"
			if form == "no time" { // nobody can tell how old it is
				want = "challenge challenge_required degraded disaster_ticket"
			}
			h.expect("corroborated: "+form, h.asksDisaster("comment", ticket), want)
			h.expect("corroborated: "+form, h.asksDisaster("login", ticket), "challenge challenge_required degraded disaster_ticket")
			h.expect("corroborated: "+form, h.asksDisaster("payment", ticket), "deny degraded_deny degraded disaster_ticket")
		}
		h.untouched("disaster tickets")
	})
}

// What a corroborated ticket says of itself must be possible, and one user
// brings it once.
func TestDisasterTickets_MustBePlausible(t *testing.T) {
	const standard = "trerror_1001_A_T"
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"the script is away"}`)
		now, ours := time.Now(), simulator.DefaultAppID
		for name, row := range map[string]struct{ ticket, want string }{
			"fresh":                  {disasterTicket(standard, ours, now), "allow degraded_allow"},
			"almost too old":         {disasterTicket(standard, ours, now.Add(-299*time.Second)), "allow degraded_allow"},
			"too old":                {disasterTicket(standard, ours, now.Add(-301*time.Second)), "challenge challenge_required"},
			"a little ahead":         {disasterTicket(standard, ours, now.Add(30*time.Second)), "allow degraded_allow"},
			"far ahead":              {disasterTicket(standard, ours, now.Add(10*time.Minute)), "challenge challenge_required"},
			"another app":            {disasterTicket(standard, 190000009, now), "challenge challenge_required"},
			"a code that nobody has": {disasterTicket("trerror_9999_A_T", ours, now), "challenge challenge_required"},
		} {
			h.expect(name, h.asksDisaster("comment", row.ticket), row.want+" degraded disaster_ticket")
		}
		f := h.user("comment", simulator.TicketValid)
		f["ticket"] = disasterTicket(standard, ours, now)
		h.expect("first time", h.ask(f), "allow degraded_allow degraded disaster_ticket")
		h.expect("same user again", h.ask(f), "challenge challenge_required degraded disaster_ticket")
		h.untouched("implausible tickets")
	})
}
