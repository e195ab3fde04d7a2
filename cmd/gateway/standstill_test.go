package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// C13: a gateway that was stopped itself while calls were in flight, for longer than
// an attempt may take and three times longer than latency explains, opens nothing
// and answers all who waited. All times are a few times the default's, and the
// requests fewer, so that a machine which is busy with other things is no reason
// to open either.
func TestServe_IsNotFooledByAStandstill(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "GATEWAY__UPSTREAM__DEADLINE=6s", "GATEWAY__UPSTREAM__ATTEMPT_TIMEOUT=2500ms",
		"GATEWAY__BREAKER__SLOW_CALL=2s", "GATEWAY__BREAKER__WINDOW=20s")
	const rate, lasts = 60, 5 * time.Second
	n := rate * int(lasts/time.Second)
	_, body := ask(t, http.MethodPost, "http://"+h.simulator+"/_sim/tickets", fmt.Sprintf(`{"kind":"valid","count":%d}`, n))
	var tickets []ticket
	if err := json.Unmarshal(body, &tickets); err != nil || len(tickets) != n {
		t.Fatalf("%v, %d tickets", err, len(tickets))
	}
	h.fault(`{"kind":"slow","latency":"500ms"}`) // so that thirty calls are in flight at a time
	var answered atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for i, one := range tickets {
		<-time.After(time.Until(begun.Add(time.Duration(i) * time.Second / rate)))
		if i == n/2 {
			if waiting := h.status().Upstream.InFlight; waiting < 20 {
				t.Errorf("only %d calls are in flight: a standstill of the API would not be noticed either", waiting)
			}
			h.gateway.standsStill(t, 3*time.Second)
		}
		wg.Go(func() {
			question, _ := json.Marshal(map[string]string{
				"ticket": one.Ticket, "randstr": one.Randstr, "scene": "login",
				"user_ip": fmt.Sprintf("10.%d.%d.1", i/250, i%250),
			})
			if status, _, err := tryAsk(t, http.MethodPost, "http://"+h.gateway.listen+"/v1/verify", string(question)); err == nil && status == http.StatusOK {
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	if s := h.status(); len(s.Breaker.Transitions) > 0 {
		t.Errorf("its own standstill moved the circuit: %+v", s.Breaker.Transitions)
	}
	if got := answered.Load(); got < int64(n) {
		t.Errorf("%d of %d requests were answered", got, n)
	}
}

// standsStill stops the process and lets it go on after d.
func (g *gatewayProcess) standsStill(t *testing.T, d time.Duration) {
	t.Helper()
	g.send(t, syscall.SIGSTOP)
	go func() {
		<-time.After(d)
		_ = g.cmd.Process.Signal(syscall.SIGCONT)
	}()
}
