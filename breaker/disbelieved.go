package breaker

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// disbelievedFor is how far back failed calls are counted that were not believed.
const disbelievedFor = time.Minute

// disbelieved counts failed calls, probes included, that are no evidence because this
// process stood still while they were out. Who operates a host that is short of CPU must
// see why an outage is noticed late.
type disbelieved struct {
	ever prometheus.Counter

	mu     sync.Mutex
	lately window[int]
}

func newDisbelieved(ever prometheus.Counter, now time.Time) *disbelieved {
	return &disbelieved{ever: ever, lately: newWindow[int](now, disbelievedFor)}
}

// add counts a call that failed now.
func (d *disbelieved) add(now time.Time) {
	d.ever.Inc()
	d.mu.Lock()
	defer d.mu.Unlock()
	*d.lately.slot(now)++
}

// count is how many there were within disbelievedFor.
func (d *disbelieved) count(now time.Time) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lately.slot(now)
	for slot := range d.lately.last(disbelievedFor) {
		n += slot
	}
	return n
}
