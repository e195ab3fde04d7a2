package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/policy"
)

// today is when tickets are made: they hold times of ten digits, and a bubble
// begins before there were any.
var today = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// disaster is a disaster ticket that is true in every way.
func disaster(code int, app uint64, at time.Time) policy.Request {
	r := ticket(0)
	r.Ticket.Value, r.Ticket.Randstr = captcha.NewDisasterTicket(code, app, at), ""
	return r
}

func inBubble(t *testing.T, story func()) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		time.Sleep(time.Until(today))
		story()
	})
}

const (
	allowed    = "allow degraded_allow degraded disaster_ticket"
	challenged = "challenge challenge_required degraded disaster_ticket"
	denied     = "deny degraded_deny degraded disaster_ticket"
)

// Only what the gateway knows for itself gives a disaster ticket the scene's
// action; else it gets the stricter of that and what is configured.
func TestDecide_DisasterTickets(t *testing.T) {
	const own, challenge, deny = policy.DisasterAction(0), policy.DisasterAction(policy.Challenge), policy.DisasterAction(policy.Deny)
	for _, c := range []struct {
		name                   string
		corroborated, other    policy.DisasterAction
		down                   bool // the script
		force                  policy.Force
		allow, challenge, deny string // by the scene's action
	}{
		{"nothing corroborates it", own, challenge, false, policy.ForceNone, challenged, challenged, denied},
		{"nothing does, and the scene's own is configured", own, own, false, policy.ForceNone, challenged, challenged, denied},
		{"nothing does, and deny is configured", own, deny, false, policy.ForceNone, denied, denied, denied},
		{"the script is down", own, deny, true, policy.ForceNone, allowed, challenged, denied},
		{"the script is down, and challenge is configured", challenge, deny, true, policy.ForceNone, challenged, challenged, denied},
		{"the script is down, and deny is configured", deny, challenge, true, policy.ForceNone, denied, denied, denied},
		{"degraded is forced", own, deny, false, policy.ForceDegraded, allowed, challenged, denied},
		{"the script is down and normal is forced", own, challenge, true, policy.ForceNormal, normally, normally, normally},
		{"normal is forced", own, challenge, false, policy.ForceNormal, normally, normally, normally},
	} {
		for i, s := range []policy.Scene{allows, challenges, denies} {
			w := newWorld(s)
			w.scriptDown, w.force = c.down, c.force
			w.cfg.Disaster.WhenCorroborated, w.cfg.Disaster.Otherwise = c.corroborated, c.other
			inBubble(t, func() {
				d := w.policy().Decide(t.Context(), disaster(1001, ourApp, time.Now()))
				want := []string{c.allow, c.challenge, c.deny}[i]
				if got := words(d); got != want || w.asked != 0 || d.Attempts != 0 || d.Answer != nil {
					t.Errorf("%s, the scene has %v: asked %d times\n got %s\nwant %s", c.name, s.Degraded, w.asked, got, want)
				}
				w.fits(t, c.name, d, !c.down && c.force != policy.ForceDegraded)
				if len(w.claimed) != 0 {
					t.Errorf("%s: the ticket was claimed", c.name)
				}
			})
		}
	}
}

const normally = "deny degraded_deny normal disaster_ticket"

// While the script is down a disaster ticket must still be one that a page of
// ours could have made, now, and is good for one user once.
func TestDecide_DisasterTicketsMustBePlausible(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		name string
		code int
		app  uint64
		age  time.Duration
		want string
	}{
		{"made now", 1001, ourApp, 0, allowed},
		{"as old as may be", 1085, ourApp, 5 * time.Minute, allowed},
		{"older", 1001, ourApp, 5*time.Minute + second, challenged},
		{"by a clock that is as far ahead as may be", 1001, ourApp, -time.Minute, allowed},
		{"further ahead", 1001, ourApp, -time.Minute - second, challenged},
		{"of an unknown code", 1999, ourApp, 0, challenged},
		{"of another app", 1001, ourApp + 1, 0, challenged},
	} {
		inBubble(t, func() {
			w := newWorld(allows)
			w.scriptDown = true
			r := disaster(c.code, c.app, time.Now().Add(-c.age))
			if got := words(w.policy().Decide(t.Context(), r)); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
			if c.want == challenged && w.factor != 4 {
				t.Errorf("%s: proof of work in place of the captcha costs %d times the usual, want 4", c.name, w.factor)
			}
		})
	}
	for parts, want := range map[string]string{"_undefined_%d": allowed, "_190000001": challenged, "_undefined": challenged} {
		inBubble(t, func() {
			w := newWorld(allows)
			w.scriptDown = true
			r := ticket(0)
			r.Ticket.Value, r.Ticket.Randstr = "trerror_1001"+parts, ""
			if parts == "_undefined_%d" {
				r.Ticket.Value = fmt.Sprintf(r.Ticket.Value, time.Now().Unix())
			}
			if got := words(w.policy().Decide(t.Context(), r)); got != want {
				t.Errorf("%s: %s, want %s", r.Ticket.Value, got, want)
			}
		})
	}
}

// All users of one second hold the same disaster ticket; one of them has it once,
// however it is written anew.
func TestDecide_ADisasterTicketIsGoodForEachUserOnce(t *testing.T) {
	inBubble(t, func() {
		w := newWorld(allows)
		w.scriptDown = true
		p := w.policy()
		r := disaster(1001, ourApp, time.Now())
		same, other, again := r, r, r
		same.Ticket.UserIP = netip.AddrFrom16(alice.As16())
		other.Ticket.UserIP = visitor(1)
		again.Ticket.Randstr = "@other"
		extra, older := r, disaster(1004, ourApp, time.Now().Add(-4*time.Second))
		extra.Ticket.Value += "_fifth"
		neighbour, later := r, disaster(1001, ourApp, time.Now().Add(time.Minute))
		neighbour.Ticket.Subject = "somebody else behind the same address"
		for i, c := range []struct {
			r    policy.Request
			want string
		}{{r, allowed}, {r, challenged}, {same, challenged}, {other, allowed}, {again, challenged},
			{extra, challenged}, {older, challenged}, {neighbour, allowed}, {later, allowed}} {
			if got := words(p.Decide(t.Context(), c.r)); got != c.want {
				t.Errorf("request %d: %s, want %s", i+1, got, c.want)
			}
		}
		for _, pass := range w.passes {
			if pass.On != policy.OnDisasterTicket {
				t.Errorf("%+v", pass)
			}
		}
	})
}

// What a fleet shares of a disaster ticket names its user only to who has the key: the
// same under one key, another under another, and not the hash that anybody can compute.
func TestDecide_ADisasterTicketIsNamedUnderTheKey(t *testing.T) {
	inBubble(t, func() {
		r := disaster(1001, ourApp, time.Now())
		r.Ticket.Subject = "alice"
		nameUnder := func(key string) (name captcha.Key) {
			w := newWorld(allows)
			w.scriptDown, w.key = true, []byte(key)
			w.policy().Decide(t.Context(), r)
			for name = range w.seen {
			}
			if len(w.seen) != 1 || len(w.passes) != 1 || w.passes[0].Held != name {
				t.Errorf("it is seen as %v and held as %+v, want one name", w.seen, w.passes)
			}
			return name
		}
		name := nameUnder("one key")
		plain := captcha.KeyOf(fmt.Sprintf("%v\x00%d\x00%d\x00alice", r.Ticket.Household(), ourApp, time.Now().Unix()/60))
		if name != nameUnder("one key") || name == nameUnder("another key") || name == plain {
			t.Errorf("%x is not of its key: under another %x, plainly hashed %x", name, nameUnder("another key"), plain)
		}
	})
}

// Beyond the budget a disaster ticket gets what any other does.
func TestDecide_DisasterTicketsHaveTheScenesBudget(t *testing.T) {
	inBubble(t, func() {
		for want, s := range map[string]policy.Scene{
			"challenge challenge_required degraded budget_spent<disaster_ticket": spent,
			"deny degraded_deny degraded budget_spent<disaster_ticket":           spentDeny,
		} {
			w := newWorld(s)
			w.scriptDown = true
			if got := words(w.policy().Decide(t.Context(), disaster(1001, ourApp, time.Now()))); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}
