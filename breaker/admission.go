package breaker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"golang.org/x/time/rate"

	"captchagate/captcha"
)

const (
	// rampFloor is how many requests a second recovering sends on at least,
	// whatever the share.
	rampFloor = 5
	// maxCanaries is how many of the first calls of a recovery may be in flight
	// together, and one more for each that came back: should the probes have been
	// wrong, few users wait.
	maxCanaries = 5
)

// admission decides whether a request may be sent on at all.
type admission struct {
	account  *account
	circuit  *circuit
	inFlight *inFlight
	throttle *throttle
	order    order
	floor    *rate.Limiter // of recovering
}

// notSent are the failures of calls that are not sent. All such calls share them,
// so nobody may write to one.
var notSent = map[captcha.Kind]*captcha.Failure{
	captcha.CircuitOpen:   {Kind: captcha.CircuitOpen},
	captcha.Recovering:    {Kind: captcha.Recovering},
	captcha.Misconfigured: {Kind: captcha.Misconfigured},
	captcha.Throttled:     {Kind: captcha.Throttled},
}

// admit returns the generation that a call about t belongs to if it may be sent
// now, and else why not.
func (a *admission) admit(t captcha.Ticket, now time.Time) (*generation, *captcha.Failure) {
	s := a.circuit.snapshot.Load()
	switch {
	case a.account.refuses(targetOf(t)):
		return nil, notSent[captcha.Misconfigured]
	case !s.sends():
		return nil, notSent[captcha.CircuitOpen]
	case s.state == Recovering && !a.admitsRecovering(s, t, now):
		return nil, notSent[captcha.Recovering]
	case !a.throttle.admits(now):
		return nil, notSent[captcha.Throttled]
	}
	return s.generation, nil
}

// admitsRecovering says whether the user of t is in the share by now. The choice
// is stable: a user whose turn has come stays, so that nobody is challenged by
// turns for long.
func (a *admission) admitsRecovering(s *snapshot, t captcha.Ticket, now time.Time) bool {
	ended := int(s.generation.ended.Load())
	if ended < canaryCalls && a.inFlight.count() >= maxCanaries+ended {
		return false
	}
	return a.order.place(t) < s.share(now) || a.floor.AllowN(now, 1)
}

// An order is the secret key by which users return: instances that share it let
// the same users back in first, and nobody can choose a place.
type order []byte

// place is where the user of t stands in the order, in [0, 1).
func (o order) place(t captcha.Ticket) float64 {
	mac := hmac.New(sha256.New, o)
	mac.Write(t.AppendUser(nil))
	return float64(binary.BigEndian.Uint64(mac.Sum(nil))>>11) / (1 << 53)
}
