package alarms

import "time"

// A Kind is what an alarm is about.
type Kind string

// The kinds; docs/alarms.md says what each means and what to do.
const (
	Opened        Kind = "opened"        // the circuit
	Recovered     Kind = "recovered"     // it is closed again
	Misconfigured Kind = "misconfigured" // the Captcha API refuses our account
	Suspect       Kind = "suspect"       // an app's key or id seems wrong
	Switched      Kind = "switched"      // by an operator, or what one set has lapsed
	ScriptDown    Kind = "script_down"   // the page's script is away
	ScriptUp      Kind = "script_up"
	PagesFailing  Kind = "pages_failing" // as pages in many places say
	StoreTrouble  Kind = "store_trouble" // the store keeps users out
	FleetTrouble  Kind = "fleet_trouble"
	BudgetSpent   Kind = "budget_spent" // of a scene
	SLAClaim      Kind = "sla_claim"    // on the provider, whose last day comes near

	// kindTest is what an operator asked for; it is no alarm.
	kindTest Kind = "test"
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{Opened, Recovered, Misconfigured, Suspect, Switched, ScriptDown, ScriptUp, PagesFailing, StoreTrouble, FleetTrouble, BudgetSpent, SLAClaim}
}

// echoes are for how long after an alarm was told what another instance of a fleet sees is
// the same event, if it had not seen one before. What an instance sees again itself is
// another one.
var echoes = map[Kind]time.Duration{
	Opened: day, Recovered: 2 * time.Minute, Misconfigured: day, Suspect: day,
	Switched: time.Minute, ScriptDown: day, ScriptUp: 2 * time.Minute, PagesFailing: 50 * time.Minute,
	StoreTrouble: time.Minute, FleetTrouble: 10 * time.Minute, BudgetSpent: time.Hour, SLAClaim: day,
}

// day is longer than most of what lasts: an instance that starts in the midst of it sees
// nothing new.
const day = 24 * time.Hour

// ends are the kinds that end what another one told: what is seen after that is no echo.
var ends = map[Kind]Kind{Opened: Recovered, Recovered: Opened, ScriptDown: ScriptUp, ScriptUp: ScriptDown, BudgetSpent: Recovered}
