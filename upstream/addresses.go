package upstream

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// How long an address that failed is not the first choice: doubled with each
// failure that follows another, between these.
const (
	minAvoid = time.Second
	maxAvoid = 30 * time.Second
)

// failureTold is for how long operators are told of a failure of an address that
// answers again.
const failureTold = time.Minute

// An address is one of those that the API's name has, and what is known of it.
type address struct {
	connections int       // that stand
	failures    int       // in a row; those while it was avoided are one
	failedAt    time.Time // the last time; zero if that is long ago and it answers
	avoid       time.Time // until then it is not the first choice
	tried       time.Time // when it last failed, or was the first choice though it had
}

// addresses are those that connections stand to, and those of the last lookup.
// Their owner guards them.
type addresses struct {
	known map[netip.AddrPort]*address
	turn  int
}

// get returns what is known of an address.
func (a *addresses) get(at netip.AddrPort) *address {
	known, ok := a.known[at]
	if !ok {
		known = new(address)
		a.known[at] = known
	}
	return known
}

// order returns the addresses of a lookup in the order in which one connection
// should try them: by turns, and last those that are avoided, by turns too: while
// all are, the tries of one call go to different ones. It forgets the others that
// no connection stands to.
func (a *addresses) order(found []netip.Addr, port uint16, now time.Time) []netip.AddrPort {
	order := make([]netip.AddrPort, len(found))
	for i := range found {
		order[i] = netip.AddrPortFrom(found[(i+a.turn)%len(found)].Unmap(), port)
	}
	a.turn++
	a.forget(order)
	slices.SortStableFunc(order, func(x, y netip.AddrPort) int {
		return a.get(x).avoidedSince(now).Compare(a.get(y).avoidedSince(now))
	})
	first := a.get(order[0])
	if first.failures > 0 && !first.avoid.After(now) {
		first.failures++ // until this connection finds out otherwise; the next ones need not
		first.avoid = now.Add(first.backOff())
	}
	first.tried = now
	return order
}

// avoidedSince returns when an address was last tried that is avoided, and else the
// zero time.
func (a *address) avoidedSince(now time.Time) time.Time {
	if !a.avoid.After(now) {
		return time.Time{}
	}
	return a.tried
}

func (a *addresses) forget(order []netip.AddrPort) {
	for at, known := range a.known {
		if known.connections == 0 && !slices.Contains(order, at) {
			delete(a.known, at)
		}
	}
}

// failed notes that the address could not be connected to, or answered with a
// fault.
func (a *address) failed(now time.Time) {
	a.failedAt, a.tried = now, now
	if a.failures > 0 && a.avoid.After(now) {
		return // one failure met many
	}
	a.failures++
	a.avoid = now.Add(a.backOff())
}

// answered notes an answer that was none of a fault.
func (a *address) answered(now time.Time) {
	a.failures, a.avoid = 0, time.Time{}
	if now.Sub(a.failedAt) >= failureTold {
		a.failedAt = time.Time{}
	}
}

func (a *address) backOff() time.Duration {
	return min(minAvoid<<min(a.failures-1, 8), maxAvoid)
}

// avoided reports whether there are addresses and each of them failed just now.
func (a *addresses) avoided(now time.Time) bool {
	for _, known := range a.known {
		if !known.avoid.After(now) {
			return false
		}
	}
	return len(a.known) > 0
}

// Address is one of the API's, as operators see it.
type Address struct {
	Address     string     `json:"address"`     // IP and port
	Connections int        `json:"connections"` // that stand
	FailedAt    *time.Time `json:"failed_at"`   // when it last could not be connected to or answered with a fault; nil if never, or if it answers a minute later
}

// status lists the addresses in order.
func (a *addresses) status() []Address {
	list := make([]Address, 0, len(a.known))
	for _, at := range slices.SortedFunc(maps.Keys(a.known), netip.AddrPort.Compare) {
		known := a.known[at]
		s := Address{Address: at.String(), Connections: known.connections}
		if failed := known.failedAt; !failed.IsZero() {
			s.FailedAt = &failed
		}
		list = append(list, s)
	}
	return list
}
