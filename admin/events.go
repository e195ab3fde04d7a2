package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	eventsPath = "/admin/v1/events"
	// commentEvery is how often a stream says that it is there.
	commentEvery = 15 * time.Second
	// writeTime is how long whoever reads a stream may take for what was sent.
	writeTime = 10 * time.Second
	// reconnect is the time after which a browser comes back, in milliseconds.
	reconnect = "1000"
)

// getEvents tells what happens, as server-sent events, until whoever asks leaves, the
// session is over or the gateway drains.
func (s *Server) getEvents(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	if c.Request.Method == http.MethodHead {
		return
	}
	one, ok := s.live.join(!operates(c))
	if !ok {
		h.Del("Content-Type")
		c.Header("Retry-After", "10")
		refuse(c, http.StatusServiceUnavailable, "as many event streams as may be are open here (128, and 64 of viewers' tokens); close some, or ask GET /admin/v1/status now and then")
		return
	}
	defer s.live.leave(one)
	ctx := c.Request.Context()
	if ends := c.GetTime(sessionEnds); !ends.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, ends)
		defer cancel()
	}
	first := append([]byte("retry: "+reconnect+"\n"), s.live.first(one)...)
	for _, missed := range s.missed(ctx, one, c.GetHeader("Last-Event-ID")) {
		first = append(first, missed.event...)
	}
	s.live.feed(ctx, c.Writer, one, first)
}

// missed are the entries of the audit that followed the one of an id, oldest first: of
// those at hand, or else the newest that are kept. What is no id has missed nothing.
func (s *Server) missed(ctx context.Context, one *stream, id string) []audited {
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(id))
	if err != nil {
		return nil
	}
	kept, err := s.control.AuditEntries(ctx, at, mostEntries)
	if err != nil {
		s.log.Error("the audit could not be read for an event stream, which goes on with what is at hand", "error", err)
	}
	recent, found := s.live.since(one, id)
	if found {
		return recent
	}
	all := map[string]audited{}
	for _, e := range kept {
		one := asEvent(e)
		all[one.id] = one
	}
	for _, one := range recent { // the store may not have them yet
		if t, err := time.Parse(time.RFC3339Nano, one.id); err == nil && t.After(at) {
			all[one.id] = one
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b audited) int { return strings.Compare(a.id, b.id) })
}

// feed writes what is new to w until ctx ends, w takes nothing more, or live is over.
func (l *live) feed(ctx context.Context, w http.ResponseWriter, one *stream, first []byte) {
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // that of the request would end the stream
	send := func(events []byte) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeTime)) // not every writer can
		_, err := w.Write(events)
		return err == nil && out.Flush() == nil
	}
	comment := time.NewTicker(commentEvery)
	defer comment.Stop()
	var due <-chan time.Time
	for sent := send(first); sent; {
		select {
		case <-ctx.Done():
			return
		case <-l.over:
			return
		case <-comment.C:
			sent = send([]byte(": still here\n\n"))
			continue
		case <-one.wake:
		case <-due:
		}
		events, wait, ok := l.next(one)
		if !ok {
			return // it comes back, and goes on behind the last entry that it has
		}
		if due = nil; wait > 0 {
			due = time.After(wait)
		}
		sent = len(events) == 0 || send(events)
	}
}
