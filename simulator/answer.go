package simulator

import (
	"context"
	"net/http"
	"time"
)

// transport says how a call came.
type transport struct {
	accepted bool            // Refuse's share has already let its connection through
	address  int             // that it came to, from 1; 0 = of the controls
	n        int             // its connection is the n-th to that address
	closing  <-chan struct{} // closed when the listener shuts down; may be nil
}

// answer takes a call through everything that the API does and fails to do:
// read it, draw the fault, judge the ticket, wait, answer. The reply has never
// the ending unanswered: that has been waited for. The error says that the caller
// went away.
func (s *Simulator) answer(ctx context.Context, r *http.Request, via transport) (reply, error) {
	now := time.Now()
	s.stats.arrive()
	defer s.stats.leave()
	c, err := s.readCall(r, now)
	if err != nil {
		return reply{}, err
	}
	fault := s.faultFor(c, via, now)
	out := s.decide(c, fault, now)
	s.stats.count(c, fault.kind, out.outcome)
	wait := s.cfg.Latency + s.random.upTo(s.cfg.Jitter) + fault.latency
	if fault.kind != Throttle && fault.kind != HTTP429 { // a throttled call is turned away before the queue
		wait += s.queue.join(now, fault.capacity)
	}
	if !pause(ctx, wait) {
		s.stats.abandon()
		return reply{}, context.Cause(ctx)
	}
	if out.ending == unanswered {
		if !keepSilent(ctx, via.closing) {
			s.stats.abandon()
			return reply{}, context.Cause(ctx)
		}
		out.ending = wasReset
	}
	return out, nil
}

// faultFor draws whether this call is hit by the fault in force.
func (s *Simulator) faultFor(c *call, via transport, now time.Time) *activeFault {
	fault := s.current(now)
	switch {
	case fault.kind == Refuse && via.accepted && fault.share < 1:
		return healthy
	case !fault.hits(via.address, via.n):
		return healthy
	case fault.spareDisaster && c.disaster():
		return healthy
	case !s.random.chance(fault.share):
		return healthy
	case fault.served != nil && fault.served.take(now):
		return healthy
	}
	return fault
}

// decide judges the ticket if the call gets that far, and says what the
// caller will see.
func (s *Simulator) decide(c *call, fault *activeFault, now time.Time) reply {
	right := reply{}
	switch {
	case c.refused != nil:
		right = refusedReply(c.refused)
	case fault.kind == None || fault.consume || fault.kind == Slow || fault.kind == HalfBody:
		spend := fault.kind == None || fault.consume
		right = verdictReply(c, s.judge(c, now, spend))
	}
	if fault.kind == HTTP429 {
		return tooMany(fault.retryAfter)
	}
	return s.fail(c, fault.kind, right)
}

// fail turns the right reply into that of a fault.
func (s *Simulator) fail(c *call, kind Kind, right reply) reply {
	switch kind {
	case Hang:
		return silence()
	case InternalError:
		return internalError()
	case CaptchaCode26:
		return busy()
	case HTTP502:
		return badGateway()
	case Reset:
		return reset()
	case Refuse:
		return reply{ending: wasReset, outcome: string(Refuse)}
	case Garbage:
		return s.garbage()
	case Empty:
		return empty()
	case HalfBody:
		return cut(right)
	case Throttle:
		return s.throttled()
	case AuthFailure:
		return accountRefused()
	case Arrears:
		return arrears(c)
	default: // None and Slow
		return right
	}
}

// serveCall answers a call over HTTP.
func (s *Simulator) serveCall(w http.ResponseWriter, r *http.Request) {
	via := transport{}
	if c := connOf(r); c != nil {
		c.control.Store(false)
		via = transport{accepted: true, address: c.listener.number, n: c.n, closing: c.listener.closing}
	}
	out, err := s.answer(r.Context(), r, via)
	if err != nil {
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	}
	if out.ending == wasReset {
		resetConn(w)
		return
	}
	if out.retryAfter > 0 {
		w.Header().Set("Retry-After", uintText(uint64(out.retryAfter/time.Second)))
	}
	w.Header().Set("Content-Type", out.kind)
	w.Header().Set("Content-Length", uintText(uint64(len(out.body))))
	w.WriteHeader(out.status)
	if out.ending == complete {
		_, _ = w.Write(out.body) // the client may be gone
		return
	}
	_, _ = w.Write(out.body[:len(out.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler) // half of it is out: close the connection
}
