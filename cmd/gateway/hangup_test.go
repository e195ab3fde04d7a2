package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// C9, S10: callers that hang up, from the address that the users' own requests
// come from and in a house that idle connections of theirs have filled, neither
// keep users out nor move the circuit.
func TestServe_HangingUpFromTheUsersAddressKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "GATEWAY__MAX_CONNECTIONS=64")
	for range 128 {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.gateway.listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	tickets := make([]ticket, 40)
	for i := range tickets {
		tickets[i] = h.ticket("valid")
	}
	var leaving sync.WaitGroup
	for range 4 {
		leaving.Go(func() {
			for range 250 {
				h.hangUp()
			}
		})
	}
	verified := 0
	for _, one := range tickets {
		status, body, err := tryAsk(t, http.MethodPost, "http://"+h.gateway.listen+"/v1/verify", verifyBody(one, "login"))
		if err != nil {
			t.Log(err)
			continue
		}
		if d := decisionOf(t, status, body); d.Reason == "verified" {
			verified++
		} else {
			t.Logf("a user got %+v", d)
		}
	}
	leaving.Wait()
	if verified < 38 {
		t.Errorf("%d of %d users verified", verified, len(tickets))
	}
	if s := h.status(); s.Breaker.State != "closed" || len(s.Breaker.Transitions) > 0 {
		t.Errorf("those who hung up moved the circuit: %+v", s.Breaker)
	}
}

// hangUp asks about a forged ticket and does not wait for the answer.
func (h *house) hangUp() {
	c, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", h.gateway.listen)
	if err != nil {
		h.t.Log(err)
		return
	}
	body := verifyBody(ticket{Ticket: "forged", Randstr: "@abc"}, "login")
	_, _ = io.WriteString(c, fmt.Sprintf("POST /v1/verify HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	_ = c.Close()
}
