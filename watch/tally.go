package watch

import (
	"slices"
	"sync/atomic"

	"captchagate/captcha"
)

// other stands for a decision or cause that this release does not know, as a
// record of another release may have.
const other = "other"

// decisions are as in the answer of POST /v1/verify.
var decisions = []string{"allow", "deny", "challenge", other}

// causes are all that answers name, and other.
var causes = append(append([]captcha.Cause{captcha.NoCause}, captcha.Causes()...), other)

// tally counts the answers of the incident that goes on.
type tally struct {
	id     string
	counts []atomic.Int64 // by decision and cause
}

func newTally(id string) *tally {
	return &tally{id: id, counts: make([]atomic.Int64, len(decisions)*len(causes))}
}

// count counts an answer.
func (t *tally) count(a Answer) { t.add(a.Decision, a.Cause, 1) }

func (t *tally) add(decision, cause string, n int64) {
	d := indexOrLast(decisions, decision)
	t.counts[d*len(causes)+indexOrLast(causes, captcha.Cause(cause))].Add(n)
}

// sum is the number of all answers.
func (t *tally) sum() (n int64) {
	for i := range t.counts {
		n += t.counts[i].Load()
	}
	return n
}

// answers lists the counts that are not 0; never nil.
func (t *tally) answers() []AnswerCount {
	as := []AnswerCount{}
	for i := range t.counts {
		if n := t.counts[i].Load(); n > 0 {
			as = append(as, AnswerCount{Decision: decisions[i/len(causes)], Cause: string(causes[i%len(causes)]), Count: n})
		}
	}
	return as
}

// indexOrLast is the place of a word in a list whose last stands for all others.
func indexOrLast[W comparable](words []W, word W) int {
	if i := slices.Index(words, word); i >= 0 {
		return i
	}
	return len(words) - 1
}
