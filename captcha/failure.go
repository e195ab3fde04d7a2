package captcha

import (
	"context"
	"errors"
	"time"
)

// Kind says why nobody could tell whether a ticket is good. It is the metric
// label, the log field and what code branches on.
type Kind int

// The kinds of failure.
const (
	Fault          Kind = iota // the API did not answer, or not sensibly
	Throttled                  // the API, or our limit in front of it, refuses more calls
	Misconfigured              // the API refuses our account
	CircuitOpen                // the circuit is open or half open, or opened while waiting
	Recovering                 // the user is not yet in the share that is sent on
	Overloaded                 // too many calls in flight, or no descriptor, port or memory left here
	OutcomeUnknown             // code 9 after an attempt of our own of unknown fate
	Cancelled                  // the caller went away
)

var kindNames = [...]string{
	Fault: "fault", Throttled: "throttled", Misconfigured: "misconfigured",
	CircuitOpen: "circuit_open", Recovering: "recovering", Overloaded: "overloaded",
	OutcomeUnknown: "outcome_unknown", Cancelled: "cancelled",
}

// String names the kind as metrics and logs do.
func (k Kind) String() string { return kindNames[k] }

// A Failure is the one error of the corridor.
type Failure struct {
	Kind Kind
	Err  error // what happened; holds nothing that a user sent and no secret

	// Code is the Cloud API's error code ("AuthFailure.SecretIdNotFound"), or
	// the CaptchaCode that stands for one; empty if there was no answer.
	Code string

	// RequestID is what the API named the call, for people who ask its support; empty
	// if there was no answer.
	RequestID string

	// FateUnknown says that the API may have used the ticket up.
	FateUnknown bool

	// Unanswered says that no answer came, or only a part of one. An answer that makes no
	// sense is one.
	Unanswered bool

	// Connecting says that the call's time ended while it waited for a
	// connection that others got: nothing is known about the API.
	Connecting bool

	// Kept says that the call's connection had been kept and brought no byte: it may
	// have been dead before.
	Kept bool

	// RetryAfter is how long the API asks to wait before the next call; 0 if it
	// does not say.
	RetryAfter time.Duration

	// Abandoned says, of an OutcomeUnknown, that only callers which left before
	// the answer made it so.
	Abandoned bool

	// Retryable says that another attempt could end otherwise.
	Retryable bool

	Answer   *Answer // the last parsed answer; nil if there was none
	Attempts int     // calls made for the request; set by the breaker
}

// Error says what happened.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Kind.String()
	}
	return f.Kind.String() + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Unsent reports whether the call was given up before any of it was written: the API cannot
// have got it.
func (f *Failure) Unsent() bool {
	if f.FateUnknown {
		return false
	}
	return f.Kind == Cancelled || f.Kind == CircuitOpen || f.Kind == Fault && errors.Is(f.Err, context.DeadlineExceeded)
}

// AsFailure returns err as the *Failure it must be; an error of another type
// counts as a Fault of unknown fate.
func AsFailure(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Kind: Fault, Err: err, FateUnknown: true}
}
