package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/config"
	"captchagate/simulator"
)

// report is what a page sends when the captcha fails to load.
const report = `{"events":[{"code":1001,"scene":"comment","app_id":190000001}]}`

// Reports of a thousand places raise an alarm and have the gateway look for
// itself. They open nothing, corroborate nothing and are no incident.
func TestPages_ReportsAreNeverEvidence(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		time.Sleep(2 * time.Second)
		probes := h.total("captchagate_script_probes_total")
		for i := range 1000 {
			if w := h.from(fmt.Sprintf("10.%d.%d.1:1", i/250, i%250), "POST", "/v1/client-events", report, "Content-Type", "text/plain"); w.Code != 204 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			time.Sleep(2 * time.Millisecond)
		}
		if n := h.total("captchagate_script_probes_total") - probes; n < 1 || n > 2 {
			t.Errorf("%v script probes in 2 s, want one that came early", n)
		}
		h.untouched("reports of pages")
		if s := h.status(); s.Mode != "normal" || s.Breaker.State != "closed" || len(h.incidents()) != 0 {
			t.Errorf("mode %s, circuit %s, incidents %+v", s.Mode, s.Breaker.State, h.incidents())
		}
		h.expect("forged", h.asksDisaster("comment", forged(time.Now())), "challenge challenge_required degraded disaster_ticket")
		h.expect("in peace", h.ask(h.user("comment", simulator.TicketValid)), "allow verified normal -")
		if status, _ := h.fetches("login"); status != 409 {
			t.Errorf("a page got a challenge: %d", status)
		}
		if audit := h.audits("incident"); len(audit) != 1 || !strings.Contains(audit[0], "places report") {
			t.Errorf("the audit has %v, want one alarm", audit)
		}
		if n := h.series("captchagate_client_events_total")[`code="1001"`]; n != 1000 {
			t.Errorf("%v reports counted", n)
		}
	})
}

// One address gets 60 requests a minute at the page's endpoints, its network
// sixteen times as many, and nobody else notices.
func TestPages_AreBoundedByNetwork(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		events := func(ip string) int {
			return h.from(ip+":1", "POST", "/v1/client-events", report, "Content-Type", "text/plain").Code
		}
		challenge := func(ip string) int { return h.from(ip+":1", "GET", "/v1/challenge?scene=login", "").Code }
		for range 30 {
			if e, c := events("192.0.2.1"), challenge("192.0.2.1"); e != 204 || c != 200 {
				t.Fatalf("refused within the rate: %d %d", e, c)
			}
		}
		if e, c := events("192.0.2.1"), challenge("192.0.2.1"); e != 429 || c != 429 {
			t.Errorf("beyond it: %d %d, want 429", e, c)
		}
		if w := h.from("192.0.2.1:1", "GET", "/v1/challenge?scene=login", ""); w.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		if e, c := events("192.0.2.2"), challenge("[2001:db8::1]"); e != 204 || c != 200 {
			t.Errorf("others: %d %d", e, c)
		}
		if w := h.from("192.0.2.1:1", "GET", "/v1/mode?scene=login", ""); w.Code != 200 {
			t.Errorf("/v1/mode: %d", w.Code)
		}
		time.Sleep(time.Minute)
		if e := events("192.0.2.1"); e != 204 {
			t.Errorf("a minute later: %d", e)
		}
		taken := 0
		for i := range 1200 {
			if events(fmt.Sprintf("198.51.100.%d", i%200)) == 204 {
				taken++
			}
		}
		if taken != 960 {
			t.Errorf("one network: %d taken, want 960", taken)
		}
	})
}

// The status says what the probe of the page's script knows, and since when.
func TestStatus_KnowsTheScript(t *testing.T) {
	inHouse(t, func(c *config.Config) { c.ScriptProbe.URL = "" }, func(h *house) {
		if s := h.status().Script; s.State != "off" || s.Since != nil {
			t.Errorf("off: %+v", s)
		}
	})
	inHouse(t, nil, func(h *house) {
		began := time.Now()
		time.Sleep(time.Second)
		if s := h.status().Script; s.State != "up" || s.Since == nil || s.Since.Sub(began).Abs() > time.Second || s.Problem != "" {
			t.Errorf("up: %+v", s)
		}
		h.scriptBreaks(simulator.ScriptNotFound)
		if s := h.status().Script; s.State != "down" || s.Since == nil || s.Since.Before(began.Add(20*time.Second)) || s.Problem == "" {
			t.Errorf("down: %+v", s)
		}
	})
	cfg := testConfig(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, sim: simulator.New(accountOf(cfg))}
		if err := h.sim.SetScriptFault(simulator.ScriptFault{Kind: simulator.ScriptNotFound}); err != nil { // before the first look
			t.Fatal(err)
		}
		h.open(cfg, func(h *house) {
			time.Sleep(time.Minute)
			if s := h.status().Script; s.State != "never_succeeded" || s.Since == nil || s.Problem == "" {
				t.Errorf("never: %+v", s)
			}
			if err := h.sim.SetScriptFault(simulator.ScriptFault{Kind: simulator.ScriptOK}); err != nil {
				t.Fatal(err)
			}
			mended := time.Now()
			time.Sleep(15 * time.Second)
			if s := h.status().Script; s.State != "up" || s.Since == nil || s.Since.Before(mended) {
				t.Errorf("up since it first loaded: %+v", s)
			}
		})
	})
}
