package breaker

import "time"

// State is where the circuit stands.
type State int

// The states, with the numbers that the metric uses.
const (
	Closed     State = iota // everything is sent on
	HalfOpen                // nothing is sent on; a probe succeeded, more must
	Open                    // nothing is sent on
	Recovering              // a growing share of users is sent on
)

var stateNames = [...]string{"closed", "half_open", "open", "recovering"}

// String names the state as status and metrics do.
func (s State) String() string { return stateNames[s] }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Transition is a change of the circuit's state and why it came.
type Transition struct {
	At       time.Time `json:"at"`
	From     State     `json:"from"`
	To       State     `json:"to"`
	Evidence string    `json:"evidence"`
}
