package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"captchagate/alarms"
	"captchagate/config"
	"captchagate/simulator"
)

// Three instances see an outage from its beginning to its end, and operators are told of
// each once. Which of them told the others know (O6).
func TestFleet_TellsOperatorsOnce(t *testing.T) {
	var mu sync.Mutex
	var kinds []string
	ops := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var a alarm
		_ = json.NewDecoder(r.Body).Decode(&a)
		mu.Lock()
		defer mu.Unlock()
		kinds = append(kinds, a.Kind)
	}))
	defer ops.Close()
	s := inStreet(t, 3, func(_ int, c *config.Config) {
		c.Alarms = alarms.Config{Webhook: ops.URL, Secret: opsSecret, Format: alarms.JSON}
	})
	settled := func(kind string) bool {
		sent, elsewhere := 0.0, 0.0
		for _, h := range s.houses {
			all := h.series("captchagate_alarms_total")
			sent += all[`kind="`+kind+`",result="sent"`]
			elsewhere += all[`kind="`+kind+`",result="elsewhere"`]
		}
		return sent == 1 && elsewhere == 2
	}
	s.houses[0].breaks(simulator.Fault{Kind: simulator.HTTP502})
	s.until("all opened", func() bool {
		open := 0
		for _, h := range s.houses {
			h.ask(h.user("login", simulator.TicketValid))
			if h.status().Breaker.State == "open" {
				open++
			}
		}
		return open == 3
	})
	s.until("one told that it opened, and the others know", func() bool { return settled("opened") })
	s.sim.ClearFault()
	s.until("one told that it is over, and the others know", func() bool { return settled("recovered") })
	s.houses[1].throws(`{"mode":"degraded","reason":"test"}`)
	s.until("one told that it was switched, and the others know", func() bool { return settled("switched") })
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(kinds, " "); got != "opened recovered switched" {
		t.Errorf("operators were told %s", got)
	}
}
