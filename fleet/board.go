// Package fleet is what the instances of a gateway tell each other.
//
// They share a Board. What an instance did it keeps itself; the board is how the
// others learn it, in one exchange, the beat: it says how I am and brings back how
// the fleet is. Nothing depends on the board being there: without it each instance
// goes on with what it knew last, and with its own evidence. A board that was lost
// is written again by whoever knows most.
//
// The fleet opens its circuit where at least two instances, and at least half of
// those that had calls, hold the API to be away. Then one of them probes at a time,
// under a lease; once enough probes were answered all recover together.
package fleet

import (
	"context"
	"time"
)

// A Board is what the instances share. Its clock is its own: all times that it
// tells are of that clock, or ages.
type Board interface {
	// Beat leaves a report and returns how the fleet is.
	Beat(ctx context.Context, r Report) (View, error)
	// Members are the instances that reported within a minute, by id.
	Members(ctx context.Context) ([]Seen, error)
}

// State is where the circuit of the fleet stands.
type State int

// The states. The zero value is closed.
const (
	Closed     State = iota // each instance goes by its own evidence
	HalfOpen                // a probe was answered, more must be
	Open                    // the API is away
	Recovering              // users return
)

var stateNames = [...]string{"closed", "half_open", "open", "recovering"}

// String names the state as the circuit of one instance does.
func (s State) String() string { return stateNames[s] }

// A Circuit is the circuit of the fleet.
type Circuit struct {
	Epoch    uint64 // one more each time that it opens or recovers
	State    State
	Since    time.Duration // how long it has been in this epoch
	Outage   time.Duration // how long the outage has lasted; 0 while closed
	Answered int           // probes in a row, while half open
}

// A Report is what one instance says of itself.
type Report struct {
	ID    string // of the process
	About []byte // for operators; the board does not read it

	Voting bool   // it finished a call within its window, or is Ill
	Ill    bool   // its own circuit is open
	Closed bool   // its own circuit is closed
	Epoch  uint64 // that it follows: an Ill counts under the present one only
	Leaves bool   // it ends

	Wants bool  // to probe now; its connection stands
	Ended Ended // a probe that it made

	Known  Circuit // that it saw last, if the board has lost its own
	Gen    int64   // that it saw last
	Switch Register
	Void   Register // was on the board and is no instance's: it goes, if it is there still
	News   [Kinds]News

	Rules Rules
}

// Ended is what came of a probe, or of the try to make a connection for one
// (Token 0). The zero value says that there was none.
type Ended struct {
	Made    bool
	Token   uint64
	Finding Finding
}

// A Finding is what a probe says of the API.
type Finding int

// The findings. The zero value says nothing.
const (
	Undecided Finding = iota
	Healthy
	Ill
)

// Rules are by what the board counts; all instances should have the same.
type Rules struct {
	Window    time.Duration // after which a report is old
	Lease     time.Duration // that a probe takes at most, and a little more
	Handover  time.Duration // how long others wait for who should go on
	Candidacy time.Duration // how long one instance alone makes a connection
	Spacing   time.Duration // between probes in a row that were answered
	Initial   time.Duration // between others at first,
	Max       time.Duration // and at most
	Successes int           // probes in a row that end the outage
}

// A Register is a value of which the highest version holds; of equal ones the
// higher ID.
type Register struct {
	Version uint64
	ID      string
	Body    []byte // nil: the board has it already
}

// Newer reports whether r holds against other.
func (r Register) Newer(other Register) bool {
	return r.Version > other.Version || r.Version == other.Version && r.ID > other.ID
}

// Is reports whether both are of one version and name.
func (r Register) Is(other Register) bool { return r.Version == other.Version && r.ID == other.ID }

// A Kind is a sort of news.
type Kind int

// The kinds of news: entries that only ever become more, which every instance
// learns once.
const (
	Audit   Kind = iota // what operators did
	Let                 // tickets that let somebody in unverified
	Refuted             // whom re-verification found to be bad
	Kinds   = 3
)

// limits of news: how long an entry is kept, and how many.
var limits = [Kinds]struct {
	life time.Duration
	most int
}{
	Audit:   {24 * time.Hour, 1000},
	Let:     {5 * time.Minute, 400_000},
	Refuted: {24 * time.Hour, 100_000},
}

// Limits are how long news of a kind is kept on the board, and how much of it.
func (k Kind) Limits() (life time.Duration, most int) { return limits[k].life, limits[k].most }

// MostNews is how many entries of a kind a View brings at most.
const MostNews = 200

// News of one kind.
type News struct {
	Since   int64    // up to where the reader knows it
	Entries [][]byte // newer ones; those of a Report are the reporter's own
}

// A View is how the fleet is.
type View struct {
	Now    time.Time // by the board's clock, in milliseconds
	Gen    int64     // another one if anything may have been lost
	Alive  int       // instances that reported within the window
	Voting int       // of those, that have a say
	Ill    int       // of those, that hold the API to be away

	Circuit Circuit
	OpenIll int // when the circuit opened, so many
	OpenOf  int // of so many

	Token uint64        // more than 0: the lease is yours
	Due   bool          // make a connection to probe, and then ask for the lease
	Wait  time.Duration // until it may be your turn to probe; negative: the fleet does not probe

	Switch Register // with its body if it is newer than the reporter's
	News   [Kinds]News
}

// Seen is what the board knows of an instance.
type Seen struct {
	ID    string
	About []byte
	Age   time.Duration // of its last report
}
