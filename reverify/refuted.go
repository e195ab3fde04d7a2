package reverify

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"captchagate/captcha"
)

// refutedLife is how long somebody whose ticket was refuted is remembered.
const refutedLife = 24 * time.Hour

// A pseudonym is a keyed one-way name of an address prefix or a subject.
type pseudonym [16]byte

// refuted are those of whom a ticket was refuted, until when. Questions are few
// a second, so that a day of them fits into memory.
type refuted struct {
	records *records
	notify  func(captcha.Ticket)
	share   func(entry []byte)

	mu      sync.Mutex
	until   map[pseudonym]time.Time
	unsaved map[pseudonym]bool
	swept   time.Time
}

func newRefuted(r *records, notify func(captcha.Ticket)) *refuted {
	if notify == nil {
		notify = func(captcha.Ticket) {}
	}
	return &refuted{
		records: r, notify: notify, share: func([]byte) {},
		until: map[pseudonym]time.Time{}, unsaved: map[pseudonym]bool{}, swept: time.Now(),
	}
}

// Refuted reports whether re-verification refuted a ticket of the address, of
// its /64 for IPv6, or of the subject, within the last 24 hours; restarts do
// not change that.
func (q *Queue) Refuted(ip netip.Addr, subject string) bool { return q.refuted.has(ip, subject) }

func (r *refuted) has(ip netip.Addr, subject string) bool {
	r.mu.Lock()
	none := len(r.until) == 0
	r.mu.Unlock()
	if none {
		return false // as nearly always: no need to hash
	}
	var names []pseudonym
	for _, by := range r.records.keys { // who was refuted under an earlier key still is
		names = append(names, by.pseudonyms(ip, subject)...)
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if now.Before(r.until[name]) {
			return true
		}
	}
	return false
}

func (s *sealer) pseudonyms(ip netip.Addr, subject string) []pseudonym {
	var names []pseudonym
	if home := captcha.Household(ip); home.IsValid() {
		names = append(names, s.pseudonym("prefix", home.String()))
	}
	if subject != "" {
		names = append(names, s.pseudonym("subject", subject))
	}
	return names
}

// add remembers the user of a ticket.
func (r *refuted) add(ctx context.Context, t captcha.Ticket) {
	r.notify(t)
	names := r.records.keys[0].pseudonyms(t.UserIP, t.Subject)
	now := time.Now()
	r.mu.Lock()
	r.sweep(now)
	for _, name := range names {
		r.until[name] = now.Add(refutedLife)
		r.unsaved[name] = true
	}
	r.mu.Unlock()
	for _, name := range names {
		r.share(binary.BigEndian.AppendUint64(name[:], uint64(now.Add(refutedLife).Unix())))
	}
	r.save(ctx)
}

// ShareRefuted has others told of whoever is refuted from now on: what they hand to
// LearnRefuted of a queue with the same key. It is for the time before Run.
func (q *Queue) ShareRefuted(tell func(entry []byte)) { q.refuted.share = tell }

// LearnRefuted remembers somebody whom another queue refuted, for as long as that one does.
func (q *Queue) LearnRefuted(entry []byte) {
	if len(entry) == len(pseudonym{})+8 {
		q.refuted.learn(pseudonym(entry), time.Unix(int64(binary.BigEndian.Uint64(entry[len(pseudonym{}):])), 0))
	}
}

func (r *refuted) learn(name pseudonym, until time.Time) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	if until.After(r.until[name]) && until.Sub(now) <= refutedLife+time.Minute {
		r.until[name], r.unsaved[name] = until, true
	}
}

// sweep forgets, once an hour, what is over; r.mu is held.
func (r *refuted) sweep(now time.Time) {
	if now.Sub(r.swept) > time.Hour {
		r.swept = now
		maps.DeleteFunc(r.until, func(_ pseudonym, until time.Time) bool { return !now.Before(until) })
	}
}

// save keeps what is in memory only; what fails waits for the next time.
func (r *refuted) save(ctx context.Context) {
	r.mu.Lock()
	unsaved := make(map[pseudonym]time.Time, len(r.unsaved))
	for name := range r.unsaved {
		unsaved[name] = r.until[name]
	}
	r.mu.Unlock()
	for name, until := range unsaved {
		value := strconv.AppendInt(nil, until.Unix(), 10)
		if left := time.Until(until); left > 0 {
			if err := r.records.store.Put(ctx, refutedBucket, hex.EncodeToString(name[:]), value, left); err != nil {
				r.records.log.Warn("whom re-verification refuted is remembered in memory only so far", "error", err)
				return
			}
		}
		r.mu.Lock()
		delete(r.unsaved, name)
		r.mu.Unlock()
	}
}
