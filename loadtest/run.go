package loadtest

import "time"

// A Run is what one scenario did to the gateways under test: all that a report
// shows. It is what loadtest.json holds; a Run that was read back from there
// gives the same report again. Seconds count from the run's beginning.
type Run struct {
	Verdict    string    `json:"verdict"`     // passed, missed, or when it was stopped
	Scenario   string    `json:"scenario"`    // its name
	Title      string    `json:"title"`       // one line for a reader who has never seen it
	About      string    `json:"about"`       // what is played and what should happen
	Source     string    `json:"source"`      // the scenario file as it was read
	Began      time.Time `json:"began"`       // wall clock
	Seconds    float64   `json:"seconds"`     // that traffic was sent
	Planned    float64   `json:"planned"`     // seconds that it would have taken
	EndedEarly bool      `json:"ended_early"` // by a signal
	Passed     bool      `json:"passed"`      // every objective met on every target, and the rate was kept
	Seed       uint64    `json:"seed"`        // of everything random in it
	Machine    Machine   `json:"machine"`
	Phases     []Phase   `json:"phases"`
	Targets    []Target  `json:"targets"` // one a gateway under test
	File       string    `json:"-"`       // that it was read from, as whoever compares calls it; "" if it was not
}

// Machine says where it ran.
type Machine struct {
	OS      string `json:"os"`
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Go      string `json:"go"`
	Version string `json:"version"` // of this program
	Load    string `json:"load"`    // load average before the run
}

// A Phase is a stretch of the scenario.
type Phase struct {
	Name   string  `json:"name"`
	From   float64 `json:"from"`
	Until  float64 `json:"until"`
	Rate   string  `json:"rate"`             // in words: "500/s", "100/s rising to 900/s"
	Fault  string  `json:"fault,omitempty"`  // in words: "hang", "internal_error for 30 %"; empty = the API is healthy
	Outage bool    `json:"outage,omitempty"` // nobody can verify in it: drawn shaded
}

// A Target is one gateway's share of the run.
type Target struct {
	Name       string      `json:"name"`    // "captchagate", or as --target names it
	Address    string      `json:"address"` // of a fleet all, with commas between
	Version    string      `json:"version,omitempty"`
	Objectives []Objective `json:"objectives"`
	Total      Tally       `json:"total"`
	Phases     []Tally     `json:"phases"`            // one a phase of the run, in its order
	Series     []Slot      `json:"series"`            // in order, without gaps, each SlotSeconds long
	Circuit    []Band      `json:"circuit"`           // closed, open, half_open, recovering; empty if the target does not tell; of a fleet the worst that answers
	Mode       []Band      `json:"mode"`              // normal, degraded; the same
	Members    []Member    `json:"members,omitempty"` // of a fleet, one an instance
	Redis      []Band      `json:"redis,omitempty"`   // up, stopped, killed, slow; empty if none was started
	Events     []Event     `json:"events,omitempty"`  // switches thrown, kills, faults set, transitions with their evidence
	Outages    []Outage    `json:"outages,omitempty"`
	Kept       Kept        `json:"kept"`
	Counts     []Count     `json:"counts"` // answers by decision, reason, cause and kind of user
}

// A Member is one instance's share of what its fleet did.
type Member struct {
	Sent    int    `json:"sent"` // requests that went to it, each where its last try did
	Circuit []Band `json:"circuit"`
	Mode    []Band `json:"mode"` // down while it did not answer
}

// An Objective is what the scenario asked for and what was found.
type Objective struct {
	Text  string `json:"text"`  // as written: "p99 during outage <= 300ms"
	Found string `json:"found"` // in the same unit: "136ms"; "not within 6s", "no data"
	Met   bool   `json:"met"`
	// Unjudged: the run was stopped before it could be told; neither met nor missed.
	Unjudged bool `json:"unjudged,omitempty"`
}

// A Tally sums up the answers of a stretch of time by when the requests were
// to leave. Latencies count from then, in milliseconds.
type Tally struct {
	Sent     int     `json:"sent"`
	Tries    int     `json:"tries,omitempty"` // on the wire: callers that retry send more than once
	Answers  Answers `json:"answers"`
	Useful   float64 `json:"useful"` // percent: a right verdict, or a degraded answer by the contract
	Attempts int64   `json:"attempts"`
	APICalls int64   `json:"api_calls"` // that reached the Captcha API, probes included
	P50      float64 `json:"p50"`
	P90      float64 `json:"p90"`
	P99      float64 `json:"p99"`
	P999     float64 `json:"p999"`
	Max      float64 `json:"max"`
	Shadow   *Shadow `json:"shadow,omitempty"` // of a gateway in shadow
}

// A Shadow is what a gateway in shadow changed for its callers, which should be nothing,
// and what it would have decided about them.
type Shadow struct {
	Compared  int     `json:"compared"`  // calls; not those around a change of fault
	Same      int     `json:"same"`      // of those, that got what the API gives who asks it directly, or no answer as there
	ApartP50  float64 `json:"apart_p50"` // how much sooner or later than there, in milliseconds
	ApartP99  float64 `json:"apart_p99"`
	ApartMax  float64 `json:"apart_max"`
	Allow     int     `json:"allow"` // captchagate_shadow_total, by would
	Challenge int     `json:"challenge"`
	Deny      int     `json:"deny"`
}

// Answers counts answers; every request is in exactly one place. Those of
// callers that hang up by themselves are under HungUp.
type Answers struct {
	Verified   int `json:"verified"`   // allow, assurance full
	Rejected   int `json:"rejected"`   // deny by the API's verdict, and right
	Allowed    int `json:"allowed"`    // degraded: let through within the budget
	Challenged int `json:"challenged"` // degraded: asked for the alternate challenge
	Denied     int `json:"denied"`     // degraded: denied
	Wrong      int `json:"wrong"`      // a good ticket rejected, or a bad one allowed with full assurance
	Failed     int `json:"failed"`     // no answer in time, 5xx, not a decision
	HungUp     int `json:"hung_up"`    // the caller went away by intention
}

// SlotSeconds is the length of a Slot.
const SlotSeconds = 0.25

// A Slot is one step of the series. Latencies in milliseconds, of the requests
// that were to leave in it; 0 if there were none.
type Slot struct {
	Sent     int     `json:"sent"`
	Answers  Answers `json:"answers"`
	APICalls int64   `json:"api_calls"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
}

// A Band is a stretch of time in one state.
type Band struct {
	State string  `json:"state"`
	From  float64 `json:"from"`
	Until float64 `json:"until"`
}

// An Event is something that happened at one moment.
type Event struct {
	At   float64 `json:"at"`
	Kind string  `json:"kind"` // fault, switch, kill, start, script, network, redis, transition
	Text string  `json:"text"`
}

// An Outage is one stretch in which nobody could verify, and how this target
// took it. Seconds; negative = not while it was watched, or not told.
type Outage struct {
	From          float64 `json:"from"`
	Until         float64 `json:"until"`
	Useful        float64 `json:"useful"`         // percent, of the requests due in it
	P50           float64 `json:"p50"`            // milliseconds
	P99           float64 `json:"p99"`            // milliseconds
	P999          float64 `json:"p999"`           // milliseconds
	FastAfter     float64 `json:"fast_after"`     // until answers were useful and under 100 ms and stayed so
	OpenAfter     float64 `json:"open_after"`     // until the circuit was open
	CallsOpen     int64   `json:"calls_open"`     // calls that reached the API from opening to the outage's end
	APICalls      int64   `json:"api_calls"`      // that reached the API in it
	VerifiedAfter float64 `json:"verified_after"` // from the outage's end to the first full verdict
	NormalAfter   float64 `json:"normal_after"`   // from the outage's end until 99 % of a second's answers were full verdicts
}

// Kept says how well the intended rate was kept by the tool itself.
type Kept struct {
	Intended float64 `json:"intended"` // requests a second, mean
	Sent     float64 `json:"sent"`
	LateP50  float64 `json:"late_p50"` // actual less intended time of sending, milliseconds
	LateP99  float64 `json:"late_p99"`
	LateMax  float64 `json:"late_max"`
	OK       bool    `json:"ok"`
	Why      string  `json:"why,omitempty"` // if it was not kept
}

// A Count is how often one kind of user got one kind of answer.
type Count struct {
	User     string `json:"user"` // valid, forged, expired, replayed, disaster, …
	Scene    string `json:"scene"`
	Decision string `json:"decision"` // empty if there was none
	Reason   string `json:"reason"`
	Cause    string `json:"cause"`
	Status   int    `json:"status"` // HTTP; 0 = no answer
	N        int    `json:"n"`
}
