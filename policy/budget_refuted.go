package policy

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// refutedFor is how long who was refuted has no budget.
	refutedFor = 24 * time.Hour
	// mostRefuted bounds what is remembered: some 15 MB where all are in use.
	mostRefuted = 1 << 18
)

// Refuted are the users whose ticket re-verification found to be bad after
// they had been let through. They have no budget for 24 hours, whatever the
// scene: give the same Refuted to every purse. It is safe for concurrent use,
// and a nil *Refuted holds nobody.
//
// It lives in memory: a restart forgets it unless its owner tells it again.
type Refuted struct {
	names names

	mu    sync.Mutex
	clock clock
	until table
	all   int64 // everybody is held until then; 0: not
}

// NewRefuted returns an empty Refuted of the usual size.
func NewRefuted() *Refuted { return NewBoundedRefuted(mostRefuted) }

// NewBoundedRefuted returns an empty Refuted that remembers at most most
// prefixes and subjects.
func NewBoundedRefuted(most int) *Refuted {
	return &Refuted{names: newNames(), clock: newClock(), until: newTable(most)}
}

// Refute holds the address (a /32, or the /64 of IPv6) and the subject, where
// there is one, for 24 hours from now. It returns false where there was no
// room: then everybody is held for 24 hours, since forgetting anybody would
// give them their budget back. So many refutations are an attack on a scale at
// which letting through unverified should end anyway; tell the operators.
func (r *Refuted) Refute(ip netip.Addr, subject string) (room bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.now()
	r.until.sweep(now)
	ns, n := r.namesOf(ip, subject)
	unknown := 0
	for _, name := range ns[:n] {
		if _, known := r.until.get(name); !known {
			unknown++
		}
	}
	if !r.until.fits(unknown) {
		r.all = now + ticksIn(refutedFor)
		return false
	}
	for _, name := range ns[:n] {
		r.until.set(name, now+ticksIn(refutedFor))
	}
	return true
}

// Has reports whether the address or the subject is held.
func (r *Refuted) Has(ip netip.Addr, subject string) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until.times) == 0 && r.all == 0 {
		return false // by far the most often: spare the clock and the hashing
	}
	now := r.clock.now()
	r.until.sweep(now)
	if now < r.all {
		return true
	}
	r.all = 0
	ns, n := r.namesOf(ip, subject)
	for _, name := range ns[:n] {
		if at, _ := r.until.get(name); now < at {
			return true
		}
	}
	return false
}

// namesOf names what there is of a user.
func (r *Refuted) namesOf(ip netip.Addr, subject string) (ns [2]uint64, n int) {
	if ip.IsValid() {
		one, _ := prefixLengths(ip)
		ns[0], n = r.names.prefix(ip, one), 1
	}
	if subject != "" {
		ns[n] = r.names.subject(subject)
		n++
	}
	return ns, n
}
