package sla

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// A minute is counted once its last calls have ended, and in a fleet all instances have
// told what they saw of it.
const (
	judgedAfter       = 10 * time.Second
	judgedAfterOthers = 2 * time.Minute
)

// minutesCounter counts the minutes since the process began, as they are judged.
type minutesCounter struct {
	mu    sync.Mutex
	next  int64 // the first that is not counted
	total [len(resultNames)]float64
}

func (c *minutesCounter) register(l *Levels, reg prometheus.Registerer) {
	c.next = minuteOf(time.Now())
	for r, name := range resultNames {
		promauto.With(reg).NewCounterFunc(prometheus.CounterOpts{
			Name: "captchagate_sla_minutes_total", Help: "Minutes since the start, as the provider's agreement judges them; in a fleet those of all instances. Counted 10 s after their end, in a fleet 2 min.",
			ConstLabels: prometheus.Labels{"result": name},
		}, func() float64 { return c.of(l, result(r)) })
	}
}

// of is how many minutes had a result.
func (c *minutesCounter) of(l *Levels, r result) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := judgedAfter
	if l.shared.Load() {
		after = judgedAfterOthers
	}
	if now := minuteOf(time.Now().Add(time.Duration(l.offset.Load()) - after)); now > c.next {
		p := l.period(c.next, now)
		for minute := c.next; minute < now; minute++ {
			c.total[l.judged(p, minute)]++
		}
		c.next = now
	}
	return c.total[r]
}

func (l *Levels) judged(p *period, minute int64) result {
	if c, more := p.counts[minute]; more {
		return l.judge(c)
	}
	if p.seen[minute] {
		return available
	}
	return unseen
}
