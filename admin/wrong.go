package admin

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	maxWrong       = 10 // wrong tokens of a household in wrongWithin
	wrongWithin    = time.Minute
	maxWrongPlaces = 4096 // households that are remembered
)

// wrongTokens counts the wrong tokens of each household, so that nobody can try
// many. While more try than are remembered the others have tried too many.
type wrongTokens struct {
	mu     sync.Mutex
	places map[netip.Prefix]wrongCount
}

type wrongCount struct {
	since time.Time // of the first
	n     int
}

// tooMany counts a wrong token from an address as net/http gives it, and reports
// whether it is one too many.
func (w *wrongTokens) tooMany(remote string) bool {
	home := householdOf(remote)
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	count, known := w.places[home]
	if !known && len(w.places) >= maxWrongPlaces {
		w.forget(now)
	}
	if !known && len(w.places) >= maxWrongPlaces {
		return true
	}
	if now.Sub(count.since) >= wrongWithin {
		count = wrongCount{since: now}
	}
	count.n++
	w.places[home] = count
	return count.n > maxWrong
}

// forget drops what is over. The lock is held.
func (w *wrongTokens) forget(now time.Time) {
	for home, count := range w.places {
		if now.Sub(count.since) >= wrongWithin {
			delete(w.places, home)
		}
	}
}

// householdOf is the zero Prefix, which all share, if there is no address.
func householdOf(remote string) netip.Prefix {
	host, _, _ := net.SplitHostPort(remote)
	ip, _ := netip.ParseAddr(host)
	return captcha.Household(ip)
}
