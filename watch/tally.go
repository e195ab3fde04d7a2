package watch

import "sync/atomic"

// The words of decisions and causes, as the answer of POST /v1/verify has
// them. What is none of them is counted as "other".
var (
	decisions = [...]string{"allow", "deny", "challenge", "other"}
	causes    = [...]string{
		"", "budget_spent", "disaster_ticket", "forced", "misconfigured", "circuit_open",
		"recovering", "throttled", "overloaded", "upstream_fault", "other",
	}
)

// tally counts the answers of the incident that goes on.
type tally struct {
	id     string
	counts [len(decisions)][len(causes)]atomic.Int64
}

func (t *tally) add(decision, cause string, n int64) {
	t.counts[decisionIndex(decision)][causeIndex(cause)].Add(n)
}

// sum is the number of all answers.
func (t *tally) sum() (n int64) {
	for d := range t.counts {
		for c := range t.counts[d] {
			n += t.counts[d][c].Load()
		}
	}
	return n
}

// answers lists the counts that are not 0; never nil.
func (t *tally) answers() []AnswerCount {
	as := []AnswerCount{}
	for d := range t.counts {
		for c := range t.counts[d] {
			if n := t.counts[d][c].Load(); n > 0 {
				as = append(as, AnswerCount{Decision: decisions[d], Cause: causes[c], Count: n})
			}
		}
	}
	return as
}

// Switches and not maps: this is on every answer's way.

func decisionIndex(word string) int {
	switch word {
	case "allow":
		return 0
	case "deny":
		return 1
	case "challenge":
		return 2
	}
	return len(decisions) - 1
}

func causeIndex(word string) int {
	switch word {
	case "":
		return 0
	case "budget_spent":
		return 1
	case "disaster_ticket":
		return 2
	case "forced":
		return 3
	case "misconfigured":
		return 4
	case "circuit_open":
		return 5
	case "recovering":
		return 6
	case "throttled":
		return 7
	case "overloaded":
		return 8
	case "upstream_fault":
		return 9
	}
	return len(causes) - 1
}
