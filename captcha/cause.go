package captcha

import "slices"

// A Cause is why the Captcha API did not decide about a user, in the words of
// the answers.
type Cause string

// The causes. NoCause stands for an answer that the API decided.
const (
	NoCause             Cause = ""
	CauseBudgetSpent    Cause = "budget_spent"    // stands over another cause
	CauseDisasterTicket Cause = "disaster_ticket" // the page made the ticket up itself
	CauseForced         Cause = "forced"          // an operator said so
	CauseMisconfigured  Cause = "misconfigured"
	CauseCircuitOpen    Cause = "circuit_open"
	CauseRecovering     Cause = "recovering"
	CauseThrottled      Cause = "throttled"
	CauseOverloaded     Cause = "overloaded"
	CauseUpstreamFault  Cause = "upstream_fault"
)

// causes has them in the order in which the first that applies is named.
var causes = []Cause{
	CauseBudgetSpent, CauseDisasterTicket, CauseForced, CauseMisconfigured, CauseCircuitOpen,
	CauseRecovering, CauseThrottled, CauseOverloaded, CauseUpstreamFault,
}

// Causes lists every cause but NoCause, in the order in which the first that
// applies is named.
func Causes() []Cause { return slices.Clone(causes) }

// causeByKind is the one table from a failure's kind to the cause that is told.
var causeByKind = [...]Cause{
	Fault: CauseUpstreamFault, Throttled: CauseThrottled, Misconfigured: CauseMisconfigured,
	CircuitOpen: CauseCircuitOpen, Recovering: CauseRecovering, Overloaded: CauseOverloaded,
	OutcomeUnknown: CauseUpstreamFault, Cancelled: CauseUpstreamFault,
}

// Cause returns the cause that answers name for a failure of this kind.
func (k Kind) Cause() Cause { return causeByKind[k] }

// Kinds lists every kind.
func Kinds() []Kind {
	kinds := make([]Kind, len(kindNames))
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}
