package alarms

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"captchagate/captcha"

	"github.com/google/uuid"
)

const (
	// look is how often it is looked what may be sent, while something waits.
	look = time.Second
	// After a failure a message waits for this long, and twice as long after each further
	// one.
	minPause = time.Second
	maxPause = time.Minute
	// testTimeout bounds a test, for whose answer somebody waits.
	testTimeout = 8 * time.Second
)

// sendAll sends what may be sent until ctx ends.
func (a *Alarms) sendAll(ctx context.Context) {
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		case <-ticks.C:
		}
		a.expire(time.Now())
		if !a.waits() {
			continue
		}
		shared := a.others(ctx)
		for _, k := range Kinds() {
			a.tell(ctx, k, shared)
		}
	}
}

func (a *Alarms) waits() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.events)+len(a.messages) > 0
}

// tell sends what waits of a kind, if it is time for that and this instance's to do.
func (a *Alarms) tell(ctx context.Context, k Kind, shared *shared) {
	if ctx.Err() != nil || !a.due(k, shared.last(k)) || !shared.mine(ctx, k) {
		return
	}
	m := a.take(k)
	err := a.post(ctx, m.body(a.from), m.Key)
	switch {
	case err == nil:
		a.succeeded(m)
		shared.tell(context.WithoutCancel(ctx), m)
	case ctx.Err() == nil: // else the next process goes on with it
		a.failed(m, err)
	}
}

// due reports whether something of a kind may be sent now. last is when another instance
// told of that kind.
func (a *Alarms) due(k Kind, last time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if m := a.messages[k]; m != nil {
		return !now.Before(m.next)
	}
	for t := range a.events {
		if t.kind == k {
			return now.Sub(a.sent[k]) >= between && now.Sub(last) >= between
		}
	}
	return false
}

// take is the message to send of a kind that is due.
func (a *Alarms) take(k Kind) *message {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.messages[k]; m != nil {
		return m
	}
	var events []*event
	for t, e := range a.events {
		if t.kind == k {
			events = append(events, e)
			delete(a.events, t)
			a.changed(eventKey(t))
		}
	}
	m, counted := messageOf(events)
	a.count(k, resultCounted, counted)
	a.messages[k] = m
	a.changed(messageKey(k))
	return m
}

// post sends a body once.
func (a *Alarms) post(ctx context.Context, b body, key string) error {
	p := a.cfg.posted(b, key, time.Now())
	answer, err := a.client.Post(ctx, p.address, key, p.signature, p.body)
	if err == nil {
		err = a.cfg.refusal(answer)
	}
	if kind, local := captcha.LocalTrouble(err); local {
		a.trouble(kind)
	}
	return err
}

func (a *Alarms) succeeded(m *message) {
	a.count(m.Kind, resultSent, 1)
	if a.failing {
		a.log.Info("the webhook takes alarms again", "about", "alarms")
	}
	a.failing = false
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.messages, m.Kind)
	a.sent[m.Kind] = time.Now()
	a.changed(messageKey(m.Kind), sentKey(m.Kind))
}

// failed has a message wait, up to half as long again so that a fleet does not come back as
// one.
func (a *Alarms) failed(m *message, err error) {
	a.count(m.Kind, resultRepeated, 1)
	if !a.failing {
		a.log.Warn("the webhook does not take an alarm; it is repeated for an hour", "about", "alarms", "kind", string(m.Kind), "error", err)
	}
	a.failing = true
	a.mu.Lock()
	defer a.mu.Unlock()
	pause := minPause
	for range min(m.failures, 6) { // 64 times are more than the longest
		pause *= 2
	}
	m.failures++
	m.next = time.Now().Add(min(pause+rand.N(pause/2), maxPause))
}

// expire gives up what nobody took for an hour.
func (a *Alarms) expire(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for t, e := range a.events {
		if e.over(now) {
			delete(a.events, t)
			a.lost(t.kind, e.At, e.More+1, eventKey(t))
		}
	}
	for k, m := range a.messages {
		if m.over(now) {
			delete(a.messages, k)
			a.lost(k, m.At, 1, messageKey(k))
		}
	}
}

// lost tells that an alarm was told to nobody. a.mu is held.
func (a *Alarms) lost(k Kind, at time.Time, n int, key string) {
	a.count(k, resultLost, n)
	a.log.Error("an alarm reached nobody within an hour and is gone; see to alarms.webhook", "kind", string(k), "at", at)
	a.changed(key)
}

// Test sends an alarm of the kind "test" at once, and returns why it was not taken. It is
// not repeated.
func (a *Alarms) Test(ctx context.Context, by string) error {
	b := body{Kind: kindTest, At: time.Now().UTC(), Summary: "a test of the alarms, asked for by " + by + ": nothing is wrong", Detail: json.RawMessage("{}"), Instance: a.from.Instance(), URL: a.from.URL}
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	return a.post(ctx, b, uuid.Must(uuid.NewV7()).String())
}
