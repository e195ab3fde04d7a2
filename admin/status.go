package admin

import (
	"time"

	"captchagate/control"
)

// Status is how the gateway is: the body of GET /admin/v1/status. The gateway
// fills it and the client reads it.
type Status struct {
	Mode     string            `json:"mode"`     // of the process: normal or degraded
	Override *control.Override `json:"override"` // null if the switch is on auto
	Drills   []control.Drill   `json:"drills"`
	Breaker  Breaker           `json:"breaker"`
	Account  Account           `json:"account"`
	Upstream Upstream          `json:"upstream"`
	Replicas []any             `json:"replicas"` // the others of a fleet; none for one instance
	Store    Store             `json:"store"`
}

// Breaker is the circuit, and the evidence that it looks at.
type Breaker struct {
	State               string       `json:"state"` // closed, open, half_open or recovering
	Since               time.Time    `json:"since"`
	Evidence            string       `json:"evidence"` // of the last transition
	Requests            int          `json:"requests"` // in the window
	Failures            int          `json:"failures"`
	Slow                int          `json:"slow"`
	ConsecutiveFailures int          `json:"consecutive_failures"`
	NextProbeAt         *time.Time   `json:"next_probe_at"` // null if none is due
	Transitions         []Transition `json:"transitions"`   // the last ones, newest first
}

// A Transition is one change of the circuit's state.
type Transition struct {
	At       time.Time `json:"at"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Evidence string    `json:"evidence"`
}

// Account is whether the Captcha API accepts our account.
type Account struct {
	State string    `json:"state"` // ok or refused
	Since time.Time `json:"since"`
	Code  string    `json:"code"` // of the refusal, else empty
}

// Upstream is the traffic to the Captcha API.
type Upstream struct {
	InFlight int     `json:"in_flight"`
	P50MS    float64 `json:"p50_ms"` // milliseconds, of recent attempts
	P99MS    float64 `json:"p99_ms"`

	Addresses []Address `json:"addresses"` // of the API, in order
}

// Address is one of the API's.
type Address struct {
	Address     string     `json:"address"`     // IP and port
	Connections int        `json:"connections"` // that stand
	FailedAt    *time.Time `json:"failed_at"`   // when it last could not be reached or answered with a fault; null if never
}

// Store is where the gateway keeps what must outlive it.
type Store struct {
	Kind    string `json:"kind"`
	Healthy bool   `json:"healthy"`
}

// whole returns s with empty lists in place of missing ones: clients may rely
// on lists.
func (s Status) whole() Status {
	if s.Drills == nil {
		s.Drills = []control.Drill{}
	}
	if s.Breaker.Transitions == nil {
		s.Breaker.Transitions = []Transition{}
	}
	if s.Replicas == nil {
		s.Replicas = []any{}
	}
	return s
}
