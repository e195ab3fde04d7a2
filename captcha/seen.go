package captcha

import "time"

// A Seen is what the gateway saw of one call to the Captcha API, for whoever counts its
// service levels.
type Seen struct {
	At        time.Time // when it went on the wire, or, where it never could, when it was to
	Probe     bool      // a question of the gateway's own, which the API does not bill
	Failed    bool      // by the API's doing: it answered with a fault of its own, or not at all
	What      string    // of a failed one: its error code or CaptchaCode, or else its Kind
	RequestID string    // that the API gave a failed one; "" if it gave none

	Unanswered bool // of a failed one: it was not answered, or not to the end
}

// See says what was seen of a call that ended in f, nil for a verdict; wired, whether it
// had a connection. counts is false if the API cannot have got it, for reasons of our
// own: trouble of this host, a connection that others got, a caller that left before, or a
// host so short of CPU that the call was given up before it was written.
// An API that throttles or refuses the account has answered; one whose caller left had
// no time to.
func See(at time.Time, f *Failure, wired bool) (s Seen, counts bool) {
	s.At = at
	if f == nil {
		return s, true
	}
	if f.Connecting || f.Unsent() {
		return s, false
	}
	if f.Kind != Fault {
		return s, wired
	}
	s.Fail(f)
	return s, true
}

// Fail says that the call failed in f.
func (s *Seen) Fail(f *Failure) {
	s.Failed, s.What, s.RequestID, s.Unanswered = true, f.Code, f.RequestID, f.Unanswered || f.Kind == CircuitOpen
	if s.What == "" {
		s.What = f.Kind.String()
	}
}
