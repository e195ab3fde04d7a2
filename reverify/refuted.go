package reverify

import (
	"context"
	"encoding/hex"
	"maps"
	"net/netip"
	"strconv"
	"time"

	"captchagate/captcha"
)

// refutedLife is how long somebody whose ticket was refuted is remembered.
const refutedLife = 24 * time.Hour

// A mark is a keyed one-way name of an address prefix or a subject.
type mark [16]byte

// marks are those of whom a ticket was refuted, until when. Questions are few
// a second, so that a day of them fits into memory.
type marks struct {
	until   map[mark]time.Time
	unsaved map[mark]bool
	swept   time.Time
}

func newMarks() marks {
	return marks{until: map[mark]time.Time{}, unsaved: map[mark]bool{}, swept: time.Now()}
}

// add marks until a time, and now and then forgets what is over.
func (m *marks) add(k mark, now, until time.Time) {
	if now.Sub(m.swept) > time.Hour {
		m.swept = now
		maps.DeleteFunc(m.until, func(_ mark, until time.Time) bool { return !now.Before(until) })
	}
	m.until[k] = until
}

func (m *marks) has(k mark, now time.Time) bool { return now.Before(m.until[k]) }

// Refuted reports whether re-verification refuted a ticket of the address, of
// its /64 for IPv6, or of the subject, within the last 24 hours; restarts do
// not change that.
func (q *Queue) Refuted(ip netip.Addr, subject string) bool {
	q.mu.Lock()
	none := len(q.refuted.until) == 0
	q.mu.Unlock()
	if none {
		return false // as nearly always: no need to hash
	}
	names := q.marksOf(ip, subject)
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range names {
		if q.refuted.has(k, now) {
			return true
		}
	}
	return false
}

func (q *Queue) marksOf(ip netip.Addr, subject string) []mark {
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	var names []mark
	if prefix, err := ip.Prefix(bits); err == nil && ip.IsValid() {
		names = append(names, q.sealer.name("prefix", prefix.String()))
	}
	if subject != "" {
		names = append(names, q.sealer.name("subject", subject))
	}
	return names
}

// refute marks a ticket's user, before the finding is kept: whoever reads the
// report finds the mark.
func (q *Queue) refute(ctx context.Context, t captcha.Ticket) {
	q.tell(t)
	names := q.marksOf(t.UserIP, t.Subject)
	now := time.Now()
	q.mu.Lock()
	for _, k := range names {
		q.refuted.add(k, now, now.Add(refutedLife))
		q.refuted.unsaved[k] = true
	}
	q.mu.Unlock()
	q.saveRefuted(ctx)
}

// saveRefuted keeps the marks that are in memory only; what fails waits for
// the next time.
func (q *Queue) saveRefuted(ctx context.Context) {
	q.mu.Lock()
	unsaved := make(map[mark]time.Time, len(q.refuted.unsaved))
	for k := range q.refuted.unsaved {
		unsaved[k] = q.refuted.until[k]
	}
	q.mu.Unlock()
	for k, until := range unsaved {
		value := strconv.AppendInt(nil, until.Unix(), 10)
		left := time.Until(until)
		if left > 0 {
			if err := q.store.Put(ctx, refutedBucket, hex.EncodeToString(k[:]), value, left); err != nil {
				q.log.Warn("whom re-verification refuted is remembered in memory only so far", "error", err)
				return
			}
		}
		q.mu.Lock()
		delete(q.refuted.unsaved, k)
		q.mu.Unlock()
	}
}

func (q *Queue) loadRefuted(ctx context.Context) error {
	records, err := q.store.List(ctx, refutedBucket, 4*mostEntries)
	if err != nil {
		return err
	}
	for name, value := range records {
		raw, err := hex.DecodeString(name)
		until, wrong := strconv.ParseInt(string(value), 10, 64)
		if err == nil && wrong == nil && len(raw) == len(mark{}) {
			q.refuted.until[mark(raw)] = time.Unix(until, 0)
		}
	}
	return nil
}
