package public

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxLongBodies is how many bodies over usualBody are read at a time, each of them
// into twice maxBody at most. A body that comes at once takes its place for no time.
const maxLongBodies = 128

// longBodies are those being read, whose sender may never send the rest. Beyond
// maxLongBodies the one that has waited longest ends.
type longBodies struct {
	mu      sync.Mutex
	waiting []*http.ResponseController // who began first is first
}

// begin takes a place for a body until end is called.
func (l *longBodies) begin(w http.ResponseWriter) (end func()) {
	one := http.NewResponseController(w)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == maxLongBodies {
		_ = l.waiting[0].SetReadDeadline(time.Unix(1, 0)) // it fails on a connection that is gone
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
	l.waiting = append(l.waiting, one)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if i := slices.Index(l.waiting, one); i >= 0 {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
	}
}
