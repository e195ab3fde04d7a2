package fleet

import "time"

// What an owner has to do is in a queue of its own on the board: records by name, which
// the board does not read. Its owner keeps them itself, too. If it is silent for
// QueueSilence another instance adopts what is left.
const (
	QueueSilence = 10 * time.Second
	// QueueLife is how long the board remembers what nobody touches, and which records
	// were adopted.
	QueueLife = 25 * time.Hour
	// AdoptionLife is how long an adoption is waited for that does not go on.
	AdoptionLife = 30 * time.Second
)

// A Record of a queue.
type Record struct {
	Name  string
	Value []byte // nil: it is to go
}

// A Tending is what the board tells an owner who says that it is there.
type Tending struct {
	Adopted bool // another instance is adopting what the owner left while it was silent
	// Silent is for how long the owner was not heard before, by the board's clock; 0 for one
	// that never was.
	Silent time.Duration
	Orphan string // whose queue the owner is to adopt; "" for nobody's
}
