package policy_test

import (
	"net/netip"
	"time"

	"captchagate/policy"
)

// A model of a limiter as one would explain it: every bucket that ever was with
// its tokens, every passing, every change of the mode.
type model struct {
	cfg      policy.Budget
	most     int
	buckets  map[string]*bucket
	total    *bucket
	passed   []passing
	peaceful []time.Time // passings in peace
	modes    []modeChange
}

// A bucket counts tokens in parts: one token is rate.Per nanoseconds' worth.
type bucket struct {
	rate  policy.Rate
	parts int64
	at    time.Time
}

type passing struct {
	at    time.Time
	modes int // how many changes of the mode were before it
}

type modeChange struct {
	at       time.Time
	degraded bool
}

func newModel(cfg policy.Budget, most int) *model {
	return &model{
		cfg: cfg, most: most, total: newBucket(cfg.Total),
		buckets: map[string]*bucket{},
	}
}

func newBucket(r policy.Rate) *bucket {
	return &bucket{rate: r, parts: int64(r.N) * int64(r.Per), at: time.Now()}
}

func (b *bucket) refill() {
	now := time.Now()
	b.parts = min(int64(b.rate.N)*int64(b.rate.Per), b.parts+int64(now.Sub(b.at))*int64(b.rate.N))
	b.at = now
}

func (b *bucket) full() bool { b.refill(); return b.parts == int64(b.rate.N)*int64(b.rate.Per) }
func (b *bucket) has() bool  { b.refill(); return b.rate.IsZero() || b.parts >= int64(b.rate.Per) }

// of are the limited buckets of a user by name; new ones are full.
func (m *model) of(ip netip.Addr, subject string) map[string]*bucket {
	ip = ip.Unmap()
	one, network := 64, 48
	if ip.Is4() {
		one, network = 32, 24
	}
	mine := map[string]*bucket{}
	find := func(name string, r policy.Rate) {
		if r.IsZero() {
			return
		}
		if mine[name] = m.buckets[name]; mine[name] == nil {
			mine[name] = newBucket(r)
		}
	}
	wide := m.cfg.PerIP
	wide.N *= 16
	find(prefix(ip, one), m.cfg.PerIP)
	find(prefix(ip, network), wide)
	if subject != "" {
		find("subject "+subject, m.cfg.PerSubject)
	}
	return mine
}

func prefix(ip netip.Addr, bits int) string {
	p, err := ip.Prefix(bits)
	if err != nil {
		panic(err)
	}
	return p.String()
}

// inPeace says whether nothing lasting goes on; then a pass takes no outage's time.
func (m *model) inPeace() bool { return len(m.modes) > 0 && !m.modes[len(m.modes)-1].degraded }

func (m *model) take(ip netip.Addr, subject string) bool {
	over := m.over
	if m.inPeace() {
		over = m.overInPeace
	}
	if over() || !m.total.has() {
		return false
	}
	mine := m.of(ip, subject)
	remembered := 0
	for name, b := range m.buckets {
		if !b.full() && mine[name] == nil {
			remembered++
		}
	}
	for _, b := range mine {
		if !b.has() {
			return false
		}
	}
	// Those of this user are remembered afterwards. If they all are before,
	// no more is needed.
	news := 0
	for _, b := range mine {
		if b.full() {
			news++
		}
	}
	if news > 0 && remembered+len(mine) > m.most {
		return false
	}
	for name, b := range mine {
		b.parts -= int64(b.rate.Per)
		m.buckets[name] = b
	}
	m.total.parts -= int64(m.total.rate.Per)
	if m.inPeace() {
		m.peaceful = append(m.peaceful, time.Now())
	} else {
		m.passed = append(m.passed, passing{time.Now(), len(m.modes)})
	}
	return true
}

// over says whether the time limit has passed since the first passing after
// the last moment at which the mode had been normal for as long.
func (m *model) over() bool {
	if m.cfg.For == 0 {
		return false
	}
	after := 0 // changes of the mode
	for i, c := range m.modes {
		end := time.Now()
		if i+1 < len(m.modes) {
			end = m.modes[i+1].at
		}
		if !c.degraded && end.Sub(c.at) >= m.cfg.For {
			after = i + 2
		}
	}
	if after > len(m.modes) { // still so
		return false
	}
	for _, p := range m.passed {
		if p.modes >= after {
			return time.Since(p.at) >= m.cfg.For
		}
	}
	return false
}

// overInPeace says whether the time of passes in peace is over: it lasts from the
// first of them, is over for as long, and begins anew with the next.
func (m *model) overInPeace() bool {
	var first time.Time
	for _, at := range append(m.peaceful, time.Now()) {
		if first.IsZero() || at.Sub(first) >= 2*m.cfg.For {
			first = at
		}
	}
	since := time.Since(first)
	return m.cfg.For > 0 && since >= m.cfg.For && since < 2*m.cfg.For
}

func (m *model) observe(degraded bool) {
	last := len(m.modes) - 1
	if last < 0 || m.modes[last].degraded != degraded {
		m.modes = append(m.modes, modeChange{time.Now(), degraded})
	}
}
