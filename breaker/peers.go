package breaker

// Peers are the other instances that ask the same API. They answer from memory:
// no method may block, or wait for the network. docs/decisions/0007-peers.md says
// why they are here.
type Peers interface {
	// Report tells them of a change of this instance's own circuit, in order.
	Report(t Transition)
	// Quorum returns why so many instances hold the API to be away that this one
	// does so too; "" as long as they do not.
	Quorum() (reason string)
	// Lead reports whether it is this instance that probes now.
	Lead() bool
}

// Alone are the Peers of a single instance: it finds out for itself.
type Alone struct{}

// Report tells nobody.
func (Alone) Report(Transition) {}

// Quorum never opens the circuit.
func (Alone) Quorum() string { return "" }

// Lead is always this instance's.
func (Alone) Lead() bool { return true }
