package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process that was stopped for long answers those who still wait, and asks the
// Captcha API about nobody whose caller has left meanwhile.
func TestServe_DropsWhoLeftDuringAStandstill(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const leave, wait = 50, 10
	_, body := ask(t, http.MethodPost, "http://"+h.simulator+"/_sim/tickets", fmt.Sprintf(`{"kind":"valid","count":%d}`, leave+wait))
	var tickets []ticket
	if err := json.Unmarshal(body, &tickets); err != nil || len(tickets) != leave+wait {
		t.Fatalf("%v, %d tickets", err, len(tickets))
	}
	before := h.consumed()
	h.gateway.send(t, syscall.SIGSTOP)
	for _, one := range tickets[:leave] {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.gateway.listen)
		if err != nil {
			t.Fatal(err)
		}
		question := verifyBody(one, "login")
		_, _ = io.WriteString(c, fmt.Sprintf("POST /v1/verify HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(question), question))
		_ = c.Close()
	}
	var waiting sync.WaitGroup
	for _, one := range tickets[leave:] {
		waiting.Go(func() {
			if d := h.verify(one, "login"); d.Reason != "verified" {
				t.Errorf("who waited got %+v", d)
			}
		})
	}
	<-time.After(5 * time.Second)
	h.gateway.send(t, syscall.SIGCONT)
	woke := time.Now()
	waiting.Wait()
	t.Logf("who waited had an answer %v later", time.Since(woke))
	eventually(t, "the log says how many were dropped", func() bool {
		dropped := 0
		for line := range strings.Lines(h.gateway.stderr.String()) {
			var told struct{ Requests int }
			_ = json.Unmarshal([]byte(line), &told)
			dropped += told.Requests
		}
		return dropped == leave
	})
	if asked := h.consumed() - before; asked != wait {
		t.Errorf("the API was asked about %d tickets, want those of the %d who waited", asked, wait)
	}
}

// consumed is how many tickets the simulator's users have used up.
func (h *house) consumed() int {
	h.t.Helper()
	_, body := ask(h.t, http.MethodGet, "http://"+h.simulator+"/_sim/stats", "")
	var stats struct {
		Consumed int `json:"tickets_consumed"`
	}
	if err := json.Unmarshal(body, &stats); err != nil {
		h.t.Fatalf("%v in %s", err, body)
	}
	return stats.Consumed
}
