package fleet

import (
	"context"
	"time"
)

// A Turn is one probe in place of all.
type Turn struct {
	member *Member
	token  uint64
}

// Begin asks for the lease, now that the connection of a probe stands, and reports
// whether it was granted.
func (t *Turn) Begin(ctx context.Context) bool {
	asked := time.Now()
	v, err := t.member.exchange(ctx, true)
	if err != nil || v.Token == 0 {
		return false
	}
	t.token = v.Token
	if time.Since(asked) > startsWithin {
		t.End(Undecided)
		return false
	}
	return true
}

// End tells what the probe found, or that it found no connection.
func (t *Turn) End(f Finding) {
	m := t.member
	m.beating.lock()
	m.ended = Ended{Made: true, Token: t.token, Finding: f}
	m.beating.unlock()
	m.Wake()
}
