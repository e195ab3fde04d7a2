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
	Script   Script            `json:"script"`
	Upstream Upstream          `json:"upstream"`
	Fleet    *Fleet            `json:"fleet"`    // null for one instance
	Replicas []Replica         `json:"replicas"` // the instances of a fleet; none for one
	Budgets  []Budget          `json:"budgets"`  // whose time runs; none in peace
	Version  string            `json:"version"`
	Store    Store             `json:"store"`
	Reload   string            `json:"reload,omitempty"` // what a reload came to; only in its answer

	ReloadWarnings []string `json:"reload_warnings,omitempty"` // what is gone since, each with what comes of it
}

// Reloaded is what a reload came to.
type Reloaded struct {
	Summary  string
	Warnings []string // what the file lost
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
	Disbelieved         int          `json:"disbelieved"`   // failed calls of the last minute that are no evidence: the gateway stood still meanwhile
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

// Account is whether the Captcha API accepts our account, and our apps.
type Account struct {
	State string    `json:"state"` // ok, refused or suspect
	Since time.Time `json:"since"`
	Code  string    `json:"code"` // of the refusal: an Error.Code, if suspect a CaptchaCode; else empty
}

// AccountSuspect is the state of an account that the API answers, and denies
// everybody as with a wrong app_secret_key or captcha_app_id.
const AccountSuspect = "suspect"

// Script is what the gateway's own probe knows of the page's script.
type Script struct {
	State   string     `json:"state"`   // one of the Script states
	Since   *time.Time `json:"since"`   // of the state; null if off, or before the first probe
	Problem string     `json:"problem"` // of the last probe; empty if it loaded
}

// The script's states.
const (
	ScriptUp    = "up"
	ScriptDown  = "down"            // corroborates disaster tickets
	ScriptNever = "never_succeeded" // since the process began: corroborates nothing
	ScriptOff   = "off"             // script_probe.url is empty: corroborates nothing
)

// Upstream is the traffic to the Captcha API.
type Upstream struct {
	InFlight int     `json:"in_flight"`
	P50MS    float64 `json:"p50_ms"` // milliseconds, of recent attempts
	P99MS    float64 `json:"p99_ms"`

	Throttled *Throttled `json:"throttled"` // null if the API verified everybody for a minute

	Addresses []Address `json:"addresses"` // of the API, in order
}

// Throttled is that users get no verdict because the API turns calls away as too many.
type Throttled struct {
	Since      time.Time `json:"since"`
	Users      int       `json:"users"`      // who came in the last minute, or since then
	Unverified int       `json:"unverified"` // of those, who got no verdict because of it
}

// Address is one of the API's.
type Address struct {
	Address     string     `json:"address"`     // IP and port
	Connections int        `json:"connections"` // that stand
	FailedAt    *time.Time `json:"failed_at"`   // when it last could not be reached or answered with a fault; null if never, or if it answers a minute later
}

// Budget is how long a scene's budget lets through, under a cause that goes on.
type Budget struct {
	Scene string    `json:"scene"`
	Kind  string    `json:"kind"`  // BudgetOfPasses or BudgetOfSolutions, as the configuration calls it
	Cause string    `json:"cause"` // circuit, forced, drill, script or none
	For   string    `json:"for"`   // as the configuration says it
	Ends  time.Time `json:"ends"`
	Over  bool      `json:"over"`
	Then  string    `json:"then"` // what the scene does once it is over

	Total string `json:"total"` // the rate for all users, as "200/s"; empty if there is none
	Left  *int64 `json:"left"`  // how many it lets through at once now; null if there is no total, or Redis counts it
}

// The kinds of a budget.
const (
	BudgetOfPasses    = "budget"
	BudgetOfSolutions = "challenge_budget"
)

// Fleet is how the instances together are.
type Fleet struct {
	Alive int    `json:"alive"` // instances that reported lately
	Ill   int    `json:"ill"`   // of those, that hold the API to be away
	State string `json:"state"` // of their circuit, as Breaker.State
	Redis string `json:"redis"` // up or down

	RedisSince *time.Time `json:"redis_since"` // when it last answered; null if it is up

	Trouble []string `json:"trouble"` // what is wrong with the fleet now, each a sentence; none if nothing is
}

// Replica is one instance of a fleet.
type Replica struct {
	ID         string    `json:"id"` // another one after a restart
	This       bool      `json:"this"`
	Host       string    `json:"host"`   // its name; "" of a version that does not tell
	Listen     string    `json:"listen"` // its listener for backends
	Version    string    `json:"version"`
	State      string    `json:"state"`        // of its circuit
	Since      time.Time `json:"since"`        // of that state; zero of a version that does not tell
	AgeMS      int64     `json:"age_ms"`       // of its last report; over 2000: it is gone or cut off
	ClockLagMS int64     `json:"clock_lag_ms"` // its clock less that of Redis
}

// lost reports whether the others have not heard of it lately.
func (r Replica) lost() bool { return r.AgeMS > 2000 }

// Store is where the gateway keeps what must outlive it.
type Store struct {
	Kind    string        `json:"kind"`
	Healthy bool          `json:"healthy"` // the last write succeeded
	Trouble *StoreTrouble `json:"trouble"` // null if it kept nobody out for a minute
}

// StoreTrouble is that nobody is let through, because it could not be kept whom to
// ask about again. The answers say budget_spent, and it is not the budget.
type StoreTrouble struct {
	Since time.Time `json:"since"`
	Users int64     `json:"users"` // whom it kept out since then
	Error string    `json:"error"` // of the first of them
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
	if s.Fleet != nil && s.Fleet.Trouble == nil {
		s.Fleet.Trouble = []string{}
	}
	if s.Replicas == nil {
		s.Replicas = []Replica{}
	}
	if s.Budgets == nil {
		s.Budgets = []Budget{}
	}
	return s
}
