package loadtest

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"captchagate/loadtest/scenario"
	"captchagate/loadtest/send"
)

// A subject is a gateway while it is tested: its requests and what was seen of
// it from outside.
type subject struct {
	Gateway
	callers  scenario.Callers
	begin    time.Time
	requests []request
	balancer *send.Balancer
	parts    []*instance // one each of its instances
	sim      *control
	direct   *direct // nil = nobody asks the API without the gateway
	scene    string  // that pages ask about
	seen     seen
	live     live

	mu       sync.Mutex
	verified []ticket // before, for who replays
}

func newSubject(g Gateway, s scenario.Scenario, requests []request) *subject {
	t := &subject{
		Gateway: g, callers: s.Callers, requests: requests, balancer: send.NewBalancer(g.addresses(), s.Balance),
		sim: newSimControl(g.Simulator), scene: slices.Min(slices.Collect(maps.Keys(s.Scenes))),
	}
	for i, one := range g.Instances {
		t.parts = append(t.parts, newInstance(one, i))
	}
	if g.Direct != "" {
		t.direct = newDirect(g.Direct)
	}
	return t
}

func (t *subject) close() {
	t.balancer.Forget()
	t.sim.close()
	if t.direct != nil {
		t.direct.sim.close()
	}
	for _, one := range t.parts {
		one.close()
	}
}

// since is the time of the run.
func (t *subject) since() time.Duration { return time.Since(t.begin) }

// send sends the n-th request, as its user would, and waits for what comes of
// it. If ctx ends meanwhile, the request counts as not sent.
func (t *subject) send(ctx context.Context, n int) {
	s := &t.requests[n]
	s.sent = t.since()
	if t.direct != nil {
		t.sendBoth(ctx, s)
		return
	}
	if s.user == scenario.Replayed {
		s.ticket = t.replay(s.ticket, n)
	}
	r := send.Request{Path: "/v1/verify", Body: s.body(), Deadline: t.begin.Add(s.due + t.callers.GiveUp)}
	own := time.Duration(0)
	switch s.user {
	case scenario.Retry, scenario.RetryBare:
		t.retry(ctx, s, r, n)
	case scenario.HangUp:
		r.Deadline = t.begin.Add(s.due + t.callers.HangUp)
		err := t.try(ctx, s, r)
		s.outcome = judge(s.user, false, s.answer)
		if err != nil && !time.Now().Before(r.Deadline) { // it left; nobody cut it off
			s.outcome = hungUp
		}
	case scenario.Slow:
		own, r.BodyDelay = t.callers.Slow, t.callers.Slow
		r.Deadline = r.Deadline.Add(own)
		_ = t.try(ctx, s, r)
		s.outcome = judge(s.user, false, s.answer)
	default:
		_ = t.try(ctx, s, r)
		s.outcome = judge(s.user, false, s.answer)
	}
	s.ended = t.since()
	s.took = max(s.ended-s.due-own, 0)
	if ctx.Err() != nil {
		s.tries = 0
	}
	t.record(s)
}

// try sends a request once. Its error says that there was no answer.
func (t *subject) try(ctx context.Context, s *request, r send.Request) error {
	s.tries++
	at, status, body, err := t.balancer.Do(ctx, r)
	s.instance = at
	if err != nil {
		s.status, s.answer = 0, nil
		return err
	}
	s.status, s.answer = status, readAnswer(status, body)
	return nil
}

// retry repeats a request until there is an answer, as long as its user has
// tries. With a key the gateway must tell what came of the first, unless it
// was killed meanwhile. Without one a first try that was verified anyLatency makes
// the next a second use of the ticket, which is rejected rightly.
func (t *subject) retry(ctx context.Context, s *request, r send.Request, n int) {
	if s.user == scenario.Retry {
		r.Key = "load-" + strconv.Itoa(n) + "-" + s.ticket.Randstr
	}
	spent := false
	for s.tries < t.callers.Tries && ctx.Err() == nil {
		began := time.Now()
		r.Deadline = began.Add(t.callers.RetryAfter)
		err := t.try(ctx, s, r)
		s.outcome = judge(s.user, spent, s.answer)
		if err == nil && s.outcome != failed {
			return
		}
		cut := time.Now().Before(r.Deadline) // the connection broke before the patience did
		spent = spent || cut || s.user == scenario.RetryBare
		if cut && s.tries < t.callers.Tries {
			rest(ctx, time.Until(r.Deadline))
		}
	}
}

// record keeps what others look at while the traffic goes on.
func (t *subject) record(s *request) {
	t.live.add(s)
	if s.outcome == verified && s.user == scenario.Valid {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.verified = append(t.verified, s.ticket); len(t.verified) > 4096 {
			t.verified = t.verified[2048:]
		}
	}
}

// replay is a ticket that was verified before, or the given one if there is
// none.
func (t *subject) replay(instead ticket, n int) ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.verified) == 0 {
		return instead
	}
	return t.verified[n%len(t.verified)]
}

// body is the request to POST /v1/verify.
func (s *request) body() []byte {
	b := append(make([]byte, 0, 320), `{"ticket":"`...)
	b = append(b, s.ticket.Ticket...)
	b = append(b, `","randstr":"`...)
	b = append(b, s.ticket.Randstr...)
	b = append(b, `","user_ip":"`...)
	b = append(b, s.address...)
	b = append(b, `","subject":"`...)
	b = append(b, s.subject...)
	b = append(b, `","scene":"`...)
	b = append(b, s.scene...)
	return append(b, `"}`...)
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// live counts what was answered so far.
type live struct {
	outcomes [hungUp + 1]atomic.Int64
	mu       sync.Mutex
	recent   [512]time.Duration // the last latencies
	n        int
}

func (l *live) add(s *request) {
	if s.tries == 0 {
		return
	}
	l.outcomes[s.outcome].Add(1)
	if s.outcome == hungUp {
		return
	}
	l.mu.Lock()
	l.recent[l.n%len(l.recent)] = s.took
	l.n++
	l.mu.Unlock()
}
