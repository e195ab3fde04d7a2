package breaker

import "context"

// Peers are the other instances that ask the same API. They answer from memory:
// no method may block, or wait for the network. docs/decisions/0007-peers.md says
// why they are here. What they have decided together comes by Breaker.Follow.
type Peers interface {
	// Report tells them of a change of this instance's circuit, in order.
	Report(t Transition)
	// Patience is how many times as long as usual this instance waits between its
	// own probes: 1 if it stands alone; 0 if it makes none, because they probe in
	// its place.
	Patience() int
	// Turns brings this instance's turns to probe in place of all.
	Turns() <-chan Turn
}

// A Turn is one probe in place of all instances.
type Turn interface {
	// Begin is called when the probe's connection stands. It may wait for the
	// network, until ctx ends, and reports whether the probe may be made.
	Begin(ctx context.Context) bool
	// End is told what came of a probe that was made, or found no connection.
	End(found Finding)
}

// A Finding is what a probe in place of all says.
type Finding int

// The findings. The zero value says nothing.
const (
	Undecided Finding = iota // throttled, or trouble of our own
	Healthy                  // the API answers, though it may refuse the account
	Ill
)

// Alone are the Peers of a single instance: it finds out for itself.
type Alone struct{}

// Report tells nobody.
func (Alone) Report(Transition) {}

// Patience is the usual one.
func (Alone) Patience() int { return 1 }

// Turns never come.
func (Alone) Turns() <-chan Turn { return nil }
