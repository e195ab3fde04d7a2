package gateway_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/alarms"
	"captchagate/config"
	"captchagate/control"
	"captchagate/policy"
	"captchagate/simulator"
)

const opsSecret = "a secret of the alarms, long enough"

func withAlarms(c *config.Config) {
	c.Alarms = alarms.Config{Webhook: "http://ops.test/alarms?key=k3y", Secret: opsSecret, Format: alarms.JSON}
	c.Admin.PublicURL = "https://gateway.test/admin"
	c.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 5, Per: time.Minute}, For: 15 * time.Minute}}
}

type alarm struct {
	Kind, Summary, Instance, URL string
	At                           time.Time
	Detail                       any
}

// alarmed are the alarms that came since it was asked last.
func (w *town) alarmed() (all []alarm) {
	w.t.Helper()
	time.Sleep(2 * time.Second)
	w.mu.Lock()
	posts := w.posts
	w.posts = nil
	w.mu.Unlock()
	for _, p := range posts {
		var a alarm
		if err := json.Unmarshal([]byte(p.body), &a); err != nil {
			w.t.Fatalf("%v: %s", err, p.body)
		}
		if a.URL != "https://gateway.test/admin/" || a.Instance == "" || a.At.IsZero() || time.Since(a.At) > 10*time.Minute || !strings.HasPrefix(p.header.Get("X-Gateway-Signature"), "t=") {
			w.t.Errorf("%s %v", p.body, p.header)
		}
		all = append(all, a)
	}
	return all
}

// rings checks which alarms came, each by its kind and the beginning of its summary.
func (w *town) rings(want ...string) {
	w.t.Helper()
	got := w.alarmed()
	if len(got) != len(want) {
		w.t.Errorf("alarms %+v, want %q", got, want)
		return
	}
	for i, a := range got {
		if text := a.Kind + ": " + a.Summary; !strings.HasPrefix(text, want[i]) {
			w.t.Errorf("alarm %q, want %q", text, want[i])
		}
	}
}

// Everything that operators are told of is told where it happens, once, with nothing of
// what users, pages or the script's host said (O6).
func TestAlarms_TellWhatHappens(t *testing.T) {
	inTown(t, withAlarms, func(w *town) {
		w.rings()
		w.outage(simulator.HTTP502)
		w.rings("opened: the Captcha API is away and users get what each scene does then: ")
		w.sim.ClearFault()
		w.awaits("closed", time.Minute)
		w.rings("recovered: the Captcha API is back and verifies all users again, after ")

		w.scriptBreaks(simulator.ScriptNotFound)
		w.rings("script_down: the page's script does not load, 3 times in a row from here; disaster tickets are believed")
		if err := w.sim.SetScriptFault(simulator.ScriptFault{Kind: simulator.ScriptOK}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.rings("script_up: the page's script loads again")

		w.throws(`{"mode":"degraded","reason":"test of mine"}`)
		w.rings("switched: forced degraded until changed: test of mine (by ")
		for range 20 {
			w.ask(w.user("comment", simulator.TicketValid))
		}
		w.rings("budget_spent: the budget of scene comment is spent (total 5/m): users get what its over_budget says")
		time.Sleep(2 * time.Minute)
		for range 20 {
			w.ask(w.user("comment", simulator.TicketValid))
		}
		w.rings() // once an incident
		w.throws(`{"mode":"auto","reason":"done"}`)
		w.rings("switched: switched to auto: done")
		time.Sleep(time.Minute)

		for i := range 20 {
			w.from(fmt.Sprintf("10.0.%d.1:1", i), "POST", "/v1/client-events", report, "Content-Type", "text/plain")
		}
		w.rings("pages_failing: pages in ")

		w.scripts(`{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound","Message":"m"},"RequestId":"r"}}`)
		w.ask(w.user("login", simulator.TicketValid))
		w.rings("misconfigured: the Captcha API refuses our account, so nobody is verified: AuthFailure.SecretIdNotFound")
		w.scripts("")
		time.Sleep(time.Minute)

		w.g.Audits(control.KindTransition, "trouble in the fleet: a test", map[string]any{"alarm": "fleet_trouble", "trouble": "Redis", "over": false})
		w.g.Audits(control.KindTransition, "the fleet's trouble is over", map[string]any{"alarm": "fleet_trouble", "trouble": "Redis", "over": true})
		w.rings("fleet_trouble: trouble in the fleet: a test")

		w.cfg.Upstream.Apps = slices.Clone(w.cfg.Upstream.Apps) // the gateway that runs reads its own
		w.cfg.Upstream.Apps[0].AppSecretKey = "another-apps-key-by-mistake"
		w.restarts(time.Second)
		for range 20 {
			w.ask(w.user("login", simulator.TicketValid))
		}
		w.rings("suspect: app 190000001 is suspect: 20 tickets refused and none accepted")

		if err := w.g.BreakStore(); err != nil {
			t.Fatal(err)
		}
		w.breaks(simulator.Fault{Kind: simulator.HTTP502})
		w.ask(w.user("comment", simulator.TicketValid))
		w.rings("store_trouble: users are not let through, because it cannot be kept whom to ask about later")
		for _, hidden := range []string{"k3y", opsSecret} {
			if strings.Contains(w.log.String(), hidden) {
				t.Errorf("the log holds %q", hidden)
			}
		}
	})
}

// A month's claim is told three weeks before its last day, once, over restarts.
func TestAlarms_TellOfAClaimInTime(t *testing.T) {
	inTown(t, withAlarms, func(w *town) {
		w.outage(simulator.HTTP502)
		time.Sleep(10 * time.Minute)
		w.sim.ClearFault()
		w.awaits("closed", time.Minute)
		time.Sleep(2 * time.Second)
		w.mu.Lock()
		w.posts = nil
		w.mu.Unlock()
		w.restarts(60 * 24 * time.Hour) // it is March 3
		time.Sleep(2 * time.Minute)
		w.rings()
		w.restarts(10 * 24 * time.Hour)
		time.Sleep(2 * time.Minute)
		got := w.alarmed()
		if len(got) != 1 || got[0].Kind != "sla_claim" || !strings.Contains(got[0].Summary, "of 2026-01 can be claimed until 2026-03-31") {
			t.Errorf("alarms %+v", got)
		}
		w.restarts(24 * time.Hour)
		time.Sleep(2 * time.Minute)
		w.rings()
	})
}

// A receiver that hangs is on nobody's way: users get their answers as fast as without
// alarms, in the outage that it is to be told of.
func TestAlarms_AreOnNobodysWay(t *testing.T) {
	slowest := func(change func(*config.Config)) (took []time.Duration) {
		inTown(t, change, func(w *town) {
			w.hangs = true
			w.breaks(simulator.Fault{Kind: simulator.HTTP502})
			for range 20 {
				w.throws(`{"mode":"degraded","reason":"test"}`)
				w.throws(`{"mode":"auto","reason":"test"}`)
				for _, a := range w.crowd("payment", 200, 500*time.Millisecond) {
					took = append(took, a.Took)
				}
			}
		})
		slices.Sort(took)
		return took
	}
	without, with := slowest(nil), slowest(withAlarms)
	if n := len(without) * 99 / 100; with[n] > without[n]+time.Millisecond {
		t.Errorf("p99 is %v with a receiver that hangs, %v without alarms", with[n], without[n])
	}
}
