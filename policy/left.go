package policy

import (
	"github.com/prometheus/client_golang/prometheus"
)

// left tells what is left of the budgets, as they are when it is asked: scenes come and
// go with the configuration.
type left struct {
	policy *Policy
	desc   *prometheus.Desc
}

func newLeft(p *Policy) left {
	return left{p, prometheus.NewDesc("captchagate_budget_left",
		"What is left of a scene's budget, 0 to 1: of total, and of the time (for) of the cause that holds and has the least left. Of a scene with challenge it is the budget of solved challenges.",
		[]string{"scene", "kind"}, nil)}
}

// Describe is part of a prometheus.Collector.
func (l left) Describe(to chan<- *prometheus.Desc) { to <- l.desc }

// Collect is part of a prometheus.Collector.
func (l left) Collect(to chan<- prometheus.Metric) {
	tell := func(scene, kind string, share float64) {
		to <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, share, scene, kind)
	}
	for name, s := range l.policy.rules.Load().scenes {
		budget := s.allowed
		switch s.Degraded {
		case Deny:
			continue
		case Challenge:
			budget = s.solved
		case Allow:
		}
		total, time := budget.left()
		if total >= 0 {
			tell(name, "total", total)
		}
		if time >= 0 {
			tell(name, "for", time)
		}
	}
}

// left is which part is left of the total, and of the time of the lasting cause that
// holds and has the least left; -1 where there is no such limit.
func (l *Limiter) left() (total, time float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.now()
	return l.total.left(l.totalFull, now), l.timeLimit.left(now)
}

// left is which part of its tokens a bucket has; -1: it needs none.
func (l limit) left(full, now int64) float64 {
	if l.burst <= 0 {
		return -1
	}
	return 1 - share(full-now, l.burst)
}

func (l *timeLimit) left(now int64) float64 {
	if l.ticks == 0 {
		return -1
	}
	least := 1.0
	for under := NotLasting + 1; under < lastings; under++ {
		l.renew(under, now)
		if c := l.clocks[under]; c.deadline != 0 && !c.away {
			least = min(least, share(c.deadline-now, l.ticks))
		}
	}
	return least
}

// share is part of whole, within 0 and 1.
func share(part, whole int64) float64 {
	return min(max(float64(part)/float64(whole), 0), 1)
}
