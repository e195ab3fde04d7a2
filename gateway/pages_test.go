package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

// report is what a page sends when the captcha fails to load.
const report = `{"events":[{"code":1001,"scene":"comment","app_id":190000001}]}`

// A page's report is taken in the form that the page script sends, and refused
// in any other.
func TestPages_TakeReportsOfAForm(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		many := strings.Repeat(`{"code":1001},`, 16)
		for name, row := range map[string]struct {
			body string
			want int
		}{
			"one event":         {report, 204},
			"code alone":        {`{"events":[{"code":1006}]}`, 204},
			"sixteen":           {`{"events":[` + strings.TrimSuffix(many, ",") + `]}`, 204},
			"4 KiB":             {report + strings.Repeat(" ", 4<<10-len(report)), 204},
			"an unknown code":   {`{"events":[{"code":77}]}`, 204},
			"seventeen":         {`{"events":[` + many + `{"code":1001}]}`, 400},
			"none":              {`{"events":[]}`, 400},
			"no code":           {`{"events":[{"scene":"x"}]}`, 400},
			"a code below 1":    {`{"events":[{"code":-1}]}`, 400},
			"a code as text":    {`{"events":[{"code":"1001"}]}`, 400},
			"an unknown field":  {`{"events":[{"code":1001,"user":"anna"}]}`, 400},
			"a long scene":      {`{"events":[{"code":1001,"scene":"` + strings.Repeat("x", 129) + `"}]}`, 400},
			"not JSON":          {`events=1001`, 400},
			"two values":        {report + report, 400},
			"nothing":           {``, 400},
			"a byte over 4 KiB": {report + strings.Repeat(" ", 4<<10+1-len(report)), 413},
			"5 KiB":             {strings.Repeat("x", 5<<10), 413},
		} {
			for _, kind := range []string{"text/plain;charset=UTF-8", "application/json"} {
				w := h.from("192.0.2.1:1", "POST", "/v1/client-events", row.body, "Content-Type", kind)
				if w.Code != row.want {
					t.Errorf("%s as %s: %d %s, want %d", name, kind, w.Code, w.Body, row.want)
				}
				if w.Code != 204 && strings.Contains(w.Body.String(), "anna") {
					t.Errorf("%s: repeats what was sent: %s", name, w.Body)
				}
			}
		}
		if w := h.from("192.0.2.1:1", "GET", "/v1/client-events", ""); w.Code != 405 {
			t.Errorf("GET: %d", w.Code)
		}
	})
}

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
