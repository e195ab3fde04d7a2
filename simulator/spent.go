package simulator

import (
	"sync"
	"time"
)

// spentTickets remembers which tickets were used, by the minute in which they
// expire; afterwards they are refused for their age and can be forgotten. So it
// holds at most the tickets used within one TicketLife and a minute.
type spentTickets struct {
	mu       sync.Mutex
	byMinute map[int64]map[uint64]struct{}
	swept    int64 // minutes before this one are gone
}

// spend uses a ticket up; false if it was used before. With peek it only looks.
func (p *spentTickets) spend(id uint64, expires, now time.Time, peek bool) bool {
	minute := expires.Unix() / 60
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now.Unix() / 60)
	ids := p.byMinute[minute]
	if _, used := ids[id]; used || peek {
		return !used
	}
	if ids == nil {
		if p.byMinute == nil {
			p.byMinute = map[int64]map[uint64]struct{}{}
		}
		ids = map[uint64]struct{}{}
		p.byMinute[minute] = ids
	}
	ids[id] = struct{}{}
	return true
}

func (p *spentTickets) sweep(minute int64) {
	if minute == p.swept {
		return
	}
	p.swept = minute
	for m := range p.byMinute {
		if m < minute {
			delete(p.byMinute, m)
		}
	}
}
