package watch

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How far back a History looks, in seconds and in minutes.
const (
	HistorySeconds = 15 * 60
	HistoryMinutes = 24 * 60
)

// An Answer is what a user got, in the words of POST /v1/verify.
type Answer struct {
	Scene    string
	Decision string // allow, deny or challenge
	Cause    string // "" if the Captcha API decided
	Degraded bool   // the scene's rule decided, and not the Captcha API
	Solved   bool   // an allowance for a solved challenge
}

// A Standing is how the gateway stands at a moment.
type Standing struct {
	Circuit string // closed, open, half_open or recovering
	Mode    string // of the process: normal or degraded
}

// A Point is what happened in one second or one minute.
type Point struct {
	At      time.Time `json:"at"` // its beginning
	Answers ByAction  `json:"answers"`
	Solved  uint32    `json:"solved"` // of the degraded allowances, those for a solved challenge
	Calls   Calls     `json:"calls"`  // to the Captcha API for users, by their outcome
	Spared  uint32    `json:"spared"` // users' requests that were not sent because the circuit was open
	P50MS   *float32  `json:"p50_ms"` // milliseconds, of the calls that ended, to 5 %; nil if none did
	P99MS   *float32  `json:"p99_ms"`
	State   string    `json:"state"` // of the circuit, the worst that was seen
	Mode    string    `json:"mode"`  // of the process, likewise
}

// ByAction are answers by their decision.
type ByAction struct {
	Allow     ByMode `json:"allow"`
	Challenge ByMode `json:"challenge"`
	Deny      ByMode `json:"deny"`
}

// ByMode are answers by who decided.
type ByMode struct {
	Normal   uint32 `json:"normal"`
	Degraded uint32 `json:"degraded"`
}

// Calls are calls to the Captcha API by their outcome, as the metric
// captchagate_upstream_attempts_total names it.
type Calls struct {
	Passed        uint32 `json:"passed"`
	Rejected      uint32 `json:"rejected"`
	Malicious     uint32 `json:"malicious"`
	Fault         uint32 `json:"fault"`
	Throttled     uint32 `json:"throttled"`
	Misconfigured uint32 `json:"misconfigured"`
	Cancelled     uint32 `json:"cancelled"`
}

// Where each thing is counted.
const (
	atAllow     = 0 // answers: one further if degraded
	atChallenge = 2
	atDeny      = 4
	atSolved    = 6
	atSpared    = 7
	atCalls     = 8 // one further for each of outcomes
	counters    = 15
)

// The words of what is counted. Of states and modes a later one is worse.
var (
	outcomes = []string{"passed", "rejected", "malicious", "fault", "throttled", "misconfigured", "cancelled"}
	states   = []string{"closed", "recovering", "half_open", "open"}
	modes    = []string{"normal", "degraded"}
)

// A History remembers what users got and how the Captcha API fared: a point for each of
// the last HistorySeconds and HistoryMinutes, in memory, while Run runs. Counting takes no
// lock and allocates nothing.
type History struct {
	counted [counters]atomic.Uint64
	took    [durations]atomic.Uint64

	mu                 sync.Mutex // over what follows
	seconds, minutes   ring
	atSecond, atMinute reading   // how things were counted at the end of the last points
	minute             time.Time // the one that goes on
	worst              standing  // of it so far
}

// NewHistory returns one that remembers nothing yet.
func NewHistory() *History {
	return &History{seconds: make(ring, 0, HistorySeconds), minutes: make(ring, 0, HistoryMinutes)}
}

// CountAnswer counts what a user got.
func (h *History) CountAnswer(a Answer) {
	at := atDeny
	switch a.Decision {
	case "allow":
		at = atAllow
	case "challenge":
		at = atChallenge
	}
	if a.Degraded {
		at++
	}
	h.counted[at].Add(1)
	if a.Solved {
		h.counted[atSolved].Add(1)
	}
}

// Called counts a call to the Captcha API for a user by its outcome.
func (h *History) Called(outcome string, took time.Duration) {
	if i := slices.Index(outcomes, outcome); i >= 0 {
		h.counted[atCalls+i].Add(1)
		h.took[durationOf(took)].Add(1)
	}
}

// Spared counts a user's request that was not sent because the circuit was open.
func (h *History) Spared() { h.counted[atSpared].Add(1) }

// Points are those of the last minutes, oldest first: one a second up to a quarter of an
// hour, else one a minute. The second and the minute that go on are not among them.
func (h *History) Points(minutes int) (every time.Duration, points []Point) {
	h.mu.Lock()
	kept, every := h.seconds, time.Second
	if minutes*60 > HistorySeconds {
		kept, every = h.minutes, time.Minute
	}
	since := time.Now().Add(-time.Duration(minutes) * time.Minute).Truncate(every).Unix()
	recent := kept.since(since)
	h.mu.Unlock()
	points = make([]Point, len(recent))
	for i, p := range recent {
		points[i] = p.shown()
	}
	return every, points
}
