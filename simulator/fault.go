package simulator

import (
	"slices"
	"strings"
	"time"
)

// A Kind is a way in which the API fails.
type Kind string

// The kinds of fault.
const (
	None          Kind = "none"            // healthy; with Latency slower, with Capacity weaker
	Hang          Kind = "hang"            // no answer until the client goes away
	Slow          Kind = "slow"            // the right answer, late
	InternalError Kind = "internal_error"  // Error.Code InternalError in a 200 body
	CaptchaCode26 Kind = "captcha_code_26" // CaptchaCode 26 in a 200 body
	HTTP502       Kind = "http_502"        // 502 with HTML
	Reset         Kind = "reset"           // the connection is reset once the request was read
	Refuse        Kind = "refuse"          // no connection
	Garbage       Kind = "garbage"         // 200 with random bytes
	Empty         Kind = "empty"           // 200 {}
	HalfBody      Kind = "half_body"       // the right answer, cut in the middle
	Throttle      Kind = "throttle"        // Error.Code RequestLimitExceeded, or a variant of it
	AuthFailure   Kind = "auth_failure"    // the account is refused: AuthFailure
	Arrears       Kind = "arrears"         // the account is refused: unpaid
	HTTP429       Kind = "http_429"        // 429 with HTML, of a limiter in front of the API
)

// Kinds lists every kind, None first.
func Kinds() []Kind {
	return []Kind{
		None, Hang, Slow, InternalError, CaptchaCode26, HTTP502, Reset, Refuse,
		Garbage, Empty, HalfBody, Throttle, AuthFailure, Arrears, HTTP429,
	}
}

// Times of faults that were not told their own.
const (
	DefaultSlow   = 2 * time.Second // Latency of Slow
	DefaultRefuse = time.Minute     // For of Refuse: who is refused cannot lift it
	hangLimit     = 2 * time.Minute // then even a hanging call is torn
	maxFaultTime  = 24 * time.Hour
)

const maxLimit = 1_000_000 // calls a second

// A Fault says how the API fails, for whom and for how long.
type Fault struct {
	Kind Kind

	Share   *float64      // of the calls, 0..1; nil = 1. With Refuse: of the connections
	For     time.Duration // 0 = until changed; of Refuse DefaultRefuse
	Latency time.Duration // on top of the API's own; of Slow 0 = DefaultSlow

	// Consume says whether a faulted call uses its ticket up; nil = as the
	// kind does (Hang, Slow, Reset and HalfBody do). Refuse never does.
	Consume *bool

	// Whom it hits, if not all: calls to one address (its number, from 1), and of
	// several instances behind an address, to which connections lead by turns,
	// those of one. 0 = all. A connection cannot be refused by one instance.
	Address   int
	Instances int

	Limit      float64       // calls a second that are served all the same; 0 = none
	RetryAfter time.Duration // of HTTP429, in whole seconds; 0 = it does not say
	Capacity   float64       // calls a second that can be worked off meanwhile; 0 = the API's own

	// SpareDisaster answers calls about disaster tickets as if healthy, so that
	// probes look fine while verification is not. No use with Refuse.
	SpareDisaster bool
}

// Validate lists every mistake in f, each as "key: what is wrong".
func (f Fault) Validate() error {
	var m mistakes
	if !slices.Contains(Kinds(), f.Kind) {
		m.add("kind", "must be one of %s, is %q", kindList(), f.Kind)
	}
	if f.Share != nil && !(*f.Share >= 0 && *f.Share <= 1) { // not a number is neither
		m.add("share", "must be between 0 and 1, is %v", *f.Share)
	}
	if f.For < 0 || f.For > maxFaultTime {
		m.add("for", "must be between 0s and %v, is %v", maxFaultTime, f.For)
	}
	if f.Latency < 0 || f.Latency > maxFaultTime {
		m.add("latency", "must be between 0s and %v, is %v", maxFaultTime, f.Latency)
	}
	f.checkReach(&m)
	return m.err()
}

// checkReach looks at whom the fault hits.
func (f Fault) checkReach(m *mistakes) {
	if f.Address < 0 || f.Instances < 0 || f.Instances > 1 && f.Kind == Refuse {
		m.add("address", "and instances must not be negative, and refuse has no instances")
	}
	if !(f.Limit >= 0 && f.Limit <= maxLimit) {
		m.add("limit", "must be between 0 (none) and %d calls a second, is %v", maxLimit, f.Limit)
	}
	if !(f.Capacity >= 0 && f.Capacity <= maxLimit) {
		m.add("capacity", "must be between 0 (the API's own) and %d calls a second, is %v", maxLimit, f.Capacity)
	}
	if f.RetryAfter < 0 || f.RetryAfter%time.Second != 0 || f.RetryAfter > 0 && f.Kind != HTTP429 {
		m.add("retry_after", "goes with http_429, in whole seconds, is %v", f.RetryAfter)
	}
}

func kindList() string {
	names := make([]string, 0, len(Kinds()))
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// activeFault is a fault in force: nothing of it is left to defaults.
type activeFault struct {
	kind          Kind
	share         float64
	latency       time.Duration
	duration      time.Duration
	ends          time.Time // zero = until changed
	consume       bool
	spareDisaster bool
	address       int
	instances     int
	retryAfter    time.Duration
	capacity      float64    // 0 = the API's own
	served        *allowance // nil = no call is served
}

// hits reports whether the fault is there for a connection, the n-th to that
// address.
func (f *activeFault) hits(address, n int) bool {
	return (f.address == 0 || f.address == address) && (f.instances < 2 || n%f.instances == 0)
}

var healthy = &activeFault{kind: None, share: 1}

func (f Fault) activate(now time.Time) *activeFault {
	fault := &activeFault{
		kind: f.Kind, share: 1, latency: f.Latency, duration: f.For, spareDisaster: f.SpareDisaster,
		address: f.Address, instances: f.Instances, retryAfter: f.RetryAfter, capacity: f.Capacity,
	}
	if f.Limit > 0 {
		fault.served = &allowance{rate: f.Limit}
	}
	if f.Share != nil {
		fault.share = *f.Share
	}
	switch f.Kind {
	case Hang, Reset, HalfBody:
		fault.consume = true
	case Slow:
		fault.consume = true
		if fault.latency == 0 {
			fault.latency = DefaultSlow
		}
	case Refuse:
		if fault.duration == 0 {
			fault.duration = DefaultRefuse
		}
	default: // the others have nothing of their own
	}
	if f.Consume != nil {
		fault.consume = *f.Consume
	}
	if f.Kind == Refuse || f.Kind == None { // no call reaches the one, no call is faulted by the other
		fault.consume, fault.spareDisaster = false, false
	}
	if fault.duration > 0 {
		fault.ends = now.Add(fault.duration)
	}
	return fault
}

// SetFault makes the API fail as f says, at once, and replaces the fault in
// force. The error lists what is wrong with f; then nothing has changed.
func (s *Simulator) SetFault(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	s.install(f.activate(time.Now()))
	return nil
}

// ClearFault makes the API healthy.
func (s *Simulator) ClearFault() { s.install(healthy) }

// install puts fault in force. When it returns, listeners already refuse, or
// accept again.
func (s *Simulator) install(fault *activeFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault.Store(fault)
	for l := range s.listeners {
		l.applyFault()
	}
	s.log.Info("fault set", "kind", string(fault.kind), "share", fault.share, "for", fault.duration.String())
}

// current is the fault in force now.
func (s *Simulator) current(now time.Time) *activeFault {
	fault := s.fault.Load()
	if !fault.ends.IsZero() && !now.Before(fault.ends) {
		return healthy
	}
	return fault
}
