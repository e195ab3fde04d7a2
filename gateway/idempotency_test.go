package gateway_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
)

// A repeated request gets the first one's decision, whatever happened since.
func TestIdempotency_RepeatsTheDecision(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for _, kind := range []string{simulator.TicketValid, simulator.TicketForged} {
			f := h.user("login", kind)
			first := h.ask(f, "Idempotency-Key", kind)
			h.breaks(simulator.Fault{Kind: simulator.HTTP502})
			again := h.ask(f, "Idempotency-Key", kind)
			h.sim.ClearFault()
			if first.Replay || !again.Replay {
				t.Errorf("%s: replay %v, then %v", kind, first.Replay, again.Replay)
			}
			if again.ID != first.ID || again.String() != first.String() || again.Attempts != 1 || again.code() != first.code() {
				t.Errorf("%s: got %v %+v, want %v %+v", kind, again, again, first, first)
			}
		}
		h.throws(`{"mode":"degraded","reason":"test"}`)
		f := h.user("login", simulator.TicketValid)
		first, again := h.ask(f, "Idempotency-Key", "challenged"), h.ask(f, "Idempotency-Key", "challenged")
		if !again.Replay || first.Challenge == nil || string(again.Challenge) != string(first.Challenge) {
			t.Errorf("a challenge: %s, then %s", first.Challenge, again.Challenge)
		}
		if n := h.sim.Stats().Requests; n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
	})
}

// Without a key, or under another one, the same ticket is another attempt to
// use it.
func TestIdempotency_OnlyTheKeyRepeats(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		f := h.user("login", simulator.TicketValid)
		h.expect("first", h.ask(f, "Idempotency-Key", "a"), "allow verified normal -")
		h.expect("no key", h.ask(f), "deny rejected normal -")
		h.expect("another key", h.ask(f, "Idempotency-Key", "A"), "deny rejected normal -")
		h.expect("the key", h.ask(f, "Idempotency-Key", "a"), "allow verified normal -")
	})
}

// The same key with another of the backend's own fields is a mistake, and decides
// nothing. The spelling is none of them.
func TestIdempotency_AnotherRequestIsRefused(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		f := h.user("login", simulator.TicketValid)
		body, _ := json.Marshal(f)
		first := h.answered("first", h.post(string(body), "Idempotency-Key", "k"))
		for field, value := range map[string]any{"scene": "comment", "user_ip": "192.0.2.200", "type": "mini", "subject": "bob", "reference": "order"} {
			other := h.user("login", simulator.TicketValid)
			other["user_ip"] = f["user_ip"]
			other[field] = value
			if a := h.ask(other, "Idempotency-Key", "k"); a.Status != 409 {
				t.Errorf("another %s: %d, want 409", field, a.Status)
			}
			delete(other, field)
			other["user_ip"], other["scene"] = f["user_ip"], f["scene"]
			h.expect("the ticket that came with another "+field+" was not used", h.ask(other), "allow verified normal -")
		}
		h.refuses("a mistake comes first", h.post("{}", "Idempotency-Key", "k"), 400, "user_ip")
		for _, again := range []string{string(body), string(body) + " "} {
			if a := h.answered("again", h.post(again, "Idempotency-Key", "k")); a.ID != first.ID || !a.Replay {
				t.Errorf("the same again: %+v", a)
			}
		}
	})
}

// A8: with another ticket, randstr or challenge the same key is a new question,
// decided anew: a user must not be able to bring about a refusal.
func TestIdempotency_AnotherTicketIsAnotherQuestion(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		f := h.user("login", simulator.TicketForged)
		bad := h.ask(f, "Idempotency-Key", "k")
		h.expect("a forged ticket", bad, "deny rejected normal -")
		good := h.user("login", simulator.TicketValid)
		good["user_ip"] = f["user_ip"]
		let := h.ask(good, "Idempotency-Key", "k")
		h.expect("a good one under the same key", let, "allow verified normal -")
		solved := fields{"challenge": "made up", "scene": "login", "user_ip": f["user_ip"]}
		h.expect("a solution under the same key", h.ask(solved, "Idempotency-Key", "k"), "deny challenge_failed normal -")
		for _, again := range []struct {
			f     fields
			first answer
		}{{f, bad}, {good, let}} {
			if a := h.ask(again.f, "Idempotency-Key", "k"); a.ID != again.first.ID || !a.Replay {
				t.Errorf("each again: %+v, want %+v", a, again.first)
			}
		}
	})
}

// Callers do not see each other's keys.
func TestIdempotency_IsTheCallersOwn(t *testing.T) {
	two := func(c *config.Config) {
		c.APIKeys = []public.APIKey{{Name: "shop", Key: "shop-key-0123456789"}, {Name: "blog", Key: "blog-key-0123456789"}}
	}
	inHouse(t, two, func(h *house) {
		f := h.user("login", simulator.TicketValid)
		shop := h.ask(f, "Idempotency-Key", "k", "Authorization", "Bearer shop-key-0123456789")
		blog := h.ask(f, "Idempotency-Key", "k", "Authorization", "Bearer blog-key-0123456789")
		h.expect("shop", shop, "allow verified normal -")
		h.expect("blog", blog, "deny rejected normal -")
		if blog.Replay || blog.ID == shop.ID {
			t.Errorf("blog got shop's answer: %+v", blog)
		}
		h.refuses("no key", h.post(request(nil), "Idempotency-Key", "k"), 401)
	})
}

// Five minutes later the key is free.
func TestIdempotency_LastsFiveMinutes(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		f := h.user("login", simulator.TicketForged)
		first := h.ask(f, "Idempotency-Key", "k")
		time.Sleep(5*time.Minute - time.Second)
		if a := h.ask(f, "Idempotency-Key", "k"); !a.Replay || a.ID != first.ID {
			t.Errorf("after almost five minutes: %+v", a)
		}
		time.Sleep(2 * time.Second)
		if a := h.ask(f, "Idempotency-Key", "k"); a.Replay || a.ID == first.ID {
			t.Errorf("after five minutes: %+v", a)
		}
		if a := h.ask(h.user("login", simulator.TicketValid), "Idempotency-Key", "k2"); a.Status != 200 {
			t.Errorf("another: %+v", a)
		}
	})
}

// Fifty at once are one question.
func TestIdempotency_DecidesOnceAtOnce(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		f := h.user("login", simulator.TicketValid)
		answers := make([]answer, 50)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = h.ask(f, "Idempotency-Key", "k") })
		}
		wg.Wait()
		h.all("at once", answers, "allow verified normal -")
		replays := 0
		for _, a := range answers {
			if a.Replay {
				replays++
			}
			if a.ID != answers[0].ID || a.Attempts != 1 {
				t.Errorf("another decision: %+v", a)
			}
		}
		if n := h.sim.Stats().Requests; n != 1 || replays != 49 {
			t.Errorf("%d calls and %d replays, want 1 and 49", n, replays)
		}
	})
}

// A caller that hangs up learns what came of its request by asking again; one
// that waits for another's answer just goes.
func TestIdempotency_AHangUpDoesNotCancel(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.Slow, Latency: 300 * time.Millisecond})
		f := h.user("login", simulator.TicketValid)
		body, _ := json.Marshal(f)
		hangsUp := func(after time.Duration) {
			ctx, cancel := context.WithTimeout(h.t.Context(), after)
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, "POST", "/v1/verify", strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "k")
			h.deliver(h.public, r)
		}
		var wg sync.WaitGroup
		wg.Go(func() { hangsUp(100 * time.Millisecond) })
		time.Sleep(50 * time.Millisecond)
		start := time.Now()
		hangsUp(100 * time.Millisecond)
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("who waits for another's answer and hangs up was held for %v", took)
		}
		wg.Wait()
		a := h.ask(f, "Idempotency-Key", "k")
		h.expect("asked again", a, "allow verified normal -")
		if n := h.sim.Stats(); !a.Replay || n.Requests != 1 || n.Abandoned != 0 {
			t.Errorf("replay %v, %d calls, %d abandoned; want one, and its answer", a.Replay, n.Requests, n.Abandoned)
		}
	})
}

// Without a key nobody can ask again, so the call ends with its caller, and
// the breaker does not hold it against the API.
func TestVerify_AHangUpCancels(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		for range 15 {
			ctx, cancel := context.WithTimeout(h.t.Context(), 50*time.Millisecond)
			body, _ := json.Marshal(h.user("login", simulator.TicketValid))
			r := httptest.NewRequestWithContext(ctx, "POST", "/v1/verify", strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/json")
			if _, took := h.deliver(h.public, r); took != 50*time.Millisecond {
				t.Errorf("held for %v", took)
			}
			cancel()
		}
		if b := h.status().Breaker; b.State != "closed" || b.Failures != 0 {
			t.Errorf("hang-ups counted: %+v", b)
		}
		if n := h.sim.Stats(); n.Requests != 15 || n.Abandoned != 15 {
			t.Errorf("%d calls, %d abandoned, want 15 and 15", n.Requests, n.Abandoned)
		}
	})
}
