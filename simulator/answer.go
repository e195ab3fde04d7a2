package simulator

import (
	"context"
	"net/http"
	"time"
)

// route is the way on which a call came.
type route struct {
	dialled bool            // that the connection stands was decided before, by Refuse's share
	closing <-chan struct{} // closed when the listener shuts down; may be nil
}

// answer takes a call through everything that the API does and fails to do:
// read it, draw the fault, judge the ticket, wait, answer. The reply has never
// the ending silent: that has been waited for. The error says that the caller
// went away.
func (s *Simulator) answer(ctx context.Context, r *http.Request, way route) (reply, error) {
	now := time.Now()
	s.stats.arrive()
	defer s.stats.leave()
	c, err := s.readCall(r, now)
	if err != nil {
		return reply{}, err
	}
	st := s.faultFor(c, way, now)
	out := s.decide(c, st, now)
	s.stats.count(c, st.kind, out.outcome)
	wait := s.cfg.Latency + s.dice.upTo(s.cfg.Jitter) + st.latency
	if st.kind != Throttle { // a throttled call is turned away before the queue
		wait += s.queue.join(now)
	}
	if !pause(ctx, wait) {
		s.stats.abandon()
		return reply{}, context.Cause(ctx)
	}
	if out.ending == silent {
		if !keepSilent(ctx, way.closing) {
			s.stats.abandon()
			return reply{}, context.Cause(ctx)
		}
		out.ending = torn
	}
	return out, nil
}

// faultFor draws whether this call is hit by the fault in force.
func (s *Simulator) faultFor(c *call, way route, now time.Time) *standing {
	st := s.current(now)
	switch {
	case st.kind == Refuse && way.dialled && st.share < 1:
		return healthy
	case st.spare && c.disaster():
		return healthy
	case !s.dice.hit(st.share):
		return healthy
	}
	return st
}

// decide judges the ticket where the call gets that far, and says what the
// caller will see.
func (s *Simulator) decide(c *call, st *standing, now time.Time) reply {
	right := reply{}
	switch {
	case c.refused != nil:
		right = refusedReply(c.refused)
	case st.kind == None || st.consume || st.kind == Slow || st.kind == HalfBody:
		spend := st.kind == None || st.consume
		right = verdictReply(c, s.judge(c, now, spend))
	}
	return s.fail(c, st.kind, right)
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
		return reply{ending: torn, outcome: string(Refuse)}
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
	way := route{}
	if l := lineOf(r); l != nil {
		l.control.Store(false)
		way = route{dialled: true, closing: l.door.closing}
	}
	out, err := s.answer(r.Context(), r, way)
	if err != nil {
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	}
	if out.ending == torn {
		tear(w)
		return
	}
	w.Header().Set("Content-Type", out.kind)
	w.Header().Set("Content-Length", uintText(uint64(len(out.body))))
	w.WriteHeader(out.status)
	if out.ending == whole {
		_, _ = w.Write(out.body) // the client may be gone
		return
	}
	_, _ = w.Write(out.body[:len(out.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler) // half of it is out: close the connection
}
