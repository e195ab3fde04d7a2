package fleet

import "time"

// Ticks count the time of buckets, in sixteenths of a microsecond: the rate of a
// network may be many tokens in one.
type Ticks int64

const (
	ticksPerMicro = 16
	// ticksBegan is when ticks are counted from, in seconds of Unix: as doubles, which
	// is what Lua counts with, they are exact until 2037.
	ticksBegan = 1_577_836_800
)

// Time is t on the board's clock.
func (t Ticks) Time() time.Time { return time.UnixMicro(ticksBegan*1_000_000 + int64(t)/ticksPerMicro) }

// A Want asks for a pass: to leave marks that nobody else left, and to take one token
// from each of some buckets, within the time of a clock; all of it or nothing.
type Want struct {
	Gen  int64         // of the board, that the asker knows: under another one nothing is given
	ID   string        // of the asker, and after a dot of its attempt: what its earlier ones left is not in its way
	Life time.Duration // of the marks

	Claims  []string // marks that are left
	Bars    []string // marks of which none may be there
	Buckets []Bucket
	Clock   Clock
}

// A Bucket holds tokens. The first time that it is taken from it is full; but empty if
// the board was lost so lately that others may have emptied it.
type Bucket struct {
	Name     string
	Interval Ticks // in which one token comes back
	Burst    Ticks // in which an empty bucket is full again
}

// A Clock bounds for how long passes are given under a cause. It begins with the first
// one. All its times are of the board; what an instance knows of them it tells as ages,
// -1 for nothing.
type Clock struct {
	Name    string
	For     Ticks // 0: no bound
	Begun   Ticks // the asker knows that it began so long ago; the board may have lost it
	Renewed Ticks // so long ago the cause had been away for long enough to begin anew
	Again   bool  // without cause: it begins anew as long after its end
}

// clockLife is how much longer than twice its time a clock is remembered that nobody
// asks for. Those who were given a pass within its time know it besides.
const clockLife = 24 * time.Hour

// Life is how long a board remembers the clock.
func (c Clock) Life() time.Duration {
	return 2*time.Duration(c.For/ticksPerMicro)*time.Microsecond + clockLife
}

// An Outcome is what came of a Want.
type Outcome int

// The outcomes. The zero value gives nothing.
const (
	Stale   Outcome = iota // the board is not the one that the asker knows
	Claimed                // a mark that was to be left is there
	Barred                 // another is
	Over                   // a bucket is empty, or the time is over
	Given
)

// Got is what came of a Want.
type Got struct {
	Outcome Outcome
	At      time.Time // by the board's clock, in microseconds; zero with Stale
	Which   int       // of the claims or bars, from 0
	Begun   Ticks     // how long ago the clock began; -1 if it has not
	Levels  []Ticks   // after which each bucket is full; with Over and Given only
}

// A Mark is left by one instance for all.
type Mark struct {
	Name string
	By   string // who may take it away; "" for nobody
	Life time.Duration
}

// Mark names have their kind in front.
const (
	LetMark      = "let:"     // a ticket let somebody in unverified
	SeenMark     = "seen:"    // a disaster ticket in one user's hands was
	SpentMark    = "spent:"   // a solution was checked
	RefusedMark  = "refused:" // the API refused a ticket
	FateMark     = "fate:"    // an attempt of ours may have used a ticket up
	AbandonMark  = "abandon:" // the same, only because its caller left
	StandsMark   = "stands:"  // an attempt of ours stands, and may be using it up
	bucketPrefix = "bucket:"  // and the generation
	clockPrefix  = "clock:"
)

// BucketKey is what a board calls a bucket. It has another name in each generation, so
// that nothing of an earlier one counts.
func BucketKey(gen int64, name string) string { return bucketPrefix + decimal(gen) + ":" + name }

// ClockKey is what a board calls a clock.
func ClockKey(name string) string { return clockPrefix + name }
