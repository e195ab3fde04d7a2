package gateway_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

// hangsUp asks and leaves before the answer.
func (w *town) hangsUp(f fields) {
	w.t.Helper()
	body, err := json.Marshal(f)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Millisecond)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/verify", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w.deliver(w.public, r)
}

// A6, A7: hanging up launders no bad ticket, on a scene that lets people through:
// neither after its refusal nor before it, neither in an outage nor after a restart.
func TestAttack_HangingUpLaundersNoTicket(t *testing.T) {
	const malicious, rejected = "deny malicious normal -", "deny rejected normal -"
	inTown(t, nil, func(w *town) {
		for kind, first := range map[string]string{simulator.TicketEvil: malicious, simulator.TicketUsed: rejected, simulator.TicketExpired: rejected} {
			f := w.user("comment", kind)
			w.expect(kind, w.ask(f), first)
			w.hangsUp(f)
			w.expect(kind+", after a hang-up", w.ask(f), first)
		}
		evil, used := w.user("comment", simulator.TicketEvil), w.user("comment", simulator.TicketUsed)
		w.expect("evil", w.ask(evil), malicious)
		w.expect("used", w.ask(used), rejected)

		for _, kind := range []string{simulator.TicketEvil, simulator.TicketValid} {
			f := w.user("comment", kind)
			w.hangsUp(f)
			time.Sleep(time.Second)
			if got := w.ask(f); got.String() != "challenge outcome_unknown degraded upstream_fault" {
				t.Errorf("%s, abandoned at first: %v", kind, got)
			}
		}

		time.Sleep(time.Second)
		w.restarts(time.Second)
		w.outage(simulator.HTTP502)
		w.expect("evil, in an outage after a restart", w.ask(evil), malicious)
		w.expect("used, in an outage after a restart", w.ask(used), rejected)
		w.expect("somebody else", w.ask(w.user("comment", simulator.TicketValid)), "allow degraded_allow degraded circuit_open")
	})
}
