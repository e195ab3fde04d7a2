package watch

import (
	"cmp"
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
	scenes sceneTallies
	spared atomic.Int64 // users' requests that were not sent
}

func newTally(id string) *tally {
	return &tally{id: id, counts: make([]atomic.Int64, len(decisions)*len(causes))}
}

// count counts an answer.
func (t *tally) count(a Answer) {
	t.add(a.Decision, a.Cause, 1)
	t.scenes.scene(cmp.Or(a.Scene, other)).of(a).Add(1)
}

// restore counts what was counted before.
func (t *tally) restore(i Incident) {
	for _, a := range i.Answers {
		t.add(a.Decision, a.Cause, a.Count)
	}
	for _, s := range i.Scenes {
		t.scenes.scene(s.Scene).add(s)
	}
	t.spared.Add(i.Spared)
}

// tell has an incident say what was counted.
func (t *tally) tell(i *Incident) {
	i.Answers, i.Scenes, i.Spared = t.answers(), t.scenes.shown(), t.spared.Load()
}

func (t *tally) add(decision, cause string, n int64) {
	d := indexOrLast(decisions, decision)
	t.counts[d*len(causes)+indexOrLast(causes, captcha.Cause(cause))].Add(n)
}

// sum is the number of all that was counted.
func (t *tally) sum() (n int64) {
	n = t.spared.Load()
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
