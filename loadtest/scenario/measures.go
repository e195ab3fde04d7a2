package scenario

// A Measure is something that can be found out about a run.
type Measure struct {
	Name     string
	Unit     Unit
	Windowed bool   // may be taken over less than the whole run
	Help     string // what it is
}

// Unit is what a measure's values are in.
type Unit int

// The units.
const (
	Percent Unit = iota
	Milliseconds
	Number
)

// Window is the part of the run that a measure is taken over.
type Window int

// The windows.
const (
	WholeRun      Window = iota
	DuringOutage         // all outages
	OutsideOutage        // all else
	InPhase              // one phase
	AfterPhase           // from the end of one to the end of the run
)

// Measures lists what can be asked for.
func Measures() []Measure {
	return []Measure{
		{"useful", Percent, true, "requests that got a right verdict, or a degraded answer by the contract"},
		{"full verdicts", Percent, true, "requests that the Captcha API decided; users with disaster tickets apart"},
		{"verified", Percent, true, "users with good tickets whom the API let pass"},
		{"p50", Milliseconds, true, "latency from the intended start"},
		{"p90", Milliseconds, true, "the same"},
		{"p99", Milliseconds, true, "the same"},
		{"p99.9", Milliseconds, true, "the same"},
		{"slowest", Milliseconds, true, "the same"},
		{"requests", Number, true, "that were sent"},
		{"failed", Number, true, "requests without an answer in time, with a 5xx or with no decision"},
		{"good tickets rejected", Number, true, "verdicts against users whose ticket was good"},
		{"bad tickets allowed with full assurance", Number, true, "the worst that can happen"},
		{"let through", Number, true, "users let through unverified, within the budget"},
		{"challenged", Number, true, "users asked for the alternate challenge"},
		{"disaster tickets let through", Number, true, "users let through unverified on a disaster ticket"},
		{"as directly", Percent, true, "with shadow: calls that got what the API gives who asks it directly, status and body to the byte, or no answer as there"},
		{"apart from directly p99", Milliseconds, true, "with shadow: how much sooner or later than there, at the 99th percentile"},
		{"would allow", Number, true, "with shadow: users whom the gateway would have let pass, verified or not"},
		{"would challenge", Number, true, "with shadow: users whom it would have asked for the alternate challenge"},
		{"would deny", Number, true, "with shadow: users whom it would have denied"},
		{"attempts per request", Number, true, "calls to the API that the answers tell of"},
		{"upstream calls", Number, true, "calls that reached the API, probes included"},
		{"upstream calls after opening", Number, false, "calls that reached the API while the circuit was open; the worst outage"},
		{"opens after", Milliseconds, false, "from the outage's beginning until the circuit was open, of a fleet the last one's; the worst outage"},
		{"fast again after", Milliseconds, false, "from the outage's beginning until answers were useful and under 100 ms; the worst outage"},
		{"first verified after recovery", Milliseconds, false, "from the outage's end to the first full verdict; the worst outage"},
		{"normal after recovery", Milliseconds, false, "from the outage's end until 99 % of a second's answers were full verdicts; the worst outage"},
		{"transitions", Number, true, "changes of the process mode between normal and degraded; of a fleet the sum"},
		{"circuit changes", Number, true, "changes of the circuit's state; of a fleet the sum"},
		{"sent late p99", Milliseconds, false, "how much later than intended the load test itself sent"},
	}
}
