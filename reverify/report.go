package reverify

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"captchagate/captcha"
)

// A Result is what asking again found.
type Result string

// The results.
const (
	Confirmed    Result = "confirmed"    // the ticket was good
	Refuted      Result = "refuted"      // it was not
	Unverifiable Result = "unverifiable" // nobody can tell any more
)

// A Report says what became of one decision.
type Report struct {
	DecisionID   string    `json:"decision_id"`
	Result       Result    `json:"result"`
	Scene        string    `json:"scene"`
	Reference    string    `json:"reference"`
	CaptchaCode  *int64    `json:"captcha_code"` // null where the API gave none
	DecidedAt    time.Time `json:"decided_at"`
	ReverifiedAt time.Time `json:"reverified_at"` // when it was asked about, or given up
}

// Reports are those of one incident, as the webhook gets them.
type Reports struct {
	IncidentID *string  `json:"incident_id"` // null outside incidents
	Reports    []Report `json:"reports"`
}

// A Tally counts the entries of an incident by what became of them.
type Tally struct {
	Waiting      int `json:"waiting"`
	Confirmed    int `json:"confirmed"`
	Refuted      int `json:"refuted"`
	Unverifiable int `json:"unverifiable"`
}

// Checked is how many could be verified in the end.
func (t Tally) Checked() int { return t.Confirmed + t.Refuted }

func (t *Tally) count(r Result, n int) {
	switch r {
	case Confirmed:
		t.Confirmed += n
	case Refuted:
		t.Refuted += n
	case Unverifiable:
		t.Unverifiable += n
	}
}

// A finding is what was learned about an entry, and when.
type finding struct {
	Result Result    `json:"result"`
	Code   *int64    `json:"code,omitempty"`
	At     time.Time `json:"at"`
}

// judge turns the API's answer into a result. Doubt says that the ticket may
// have been used up by an attempt of our own.
func judge(v captcha.Verdict, doubt bool) *finding {
	f := &finding{Result: Refuted, At: time.Now()}
	if v.Answer != nil {
		f.Code = &v.Answer.Code
	}
	switch {
	case v.Outcome == captcha.Passed:
		f.Result = Confirmed
	case v.Outcome == captcha.Malicious || f.Code == nil:
	case *f.Code == codeExpired, captcha.Reused(*f.Code) && doubt:
		f.Result = Unverifiable
	}
	return f
}

// codeExpired is the CaptchaCode of a ticket that is too old.
const codeExpired = 8

// Counts tells what became of an incident's entries: those of this process,
// and of earlier ones for a day. "" stands for all outside incidents.
func (q *Queue) Counts(incident string) Tally {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t := q.tallies[incident]; t != nil {
		return *t
	}
	return Tally{}
}

// tally returns an incident's counts; q.mu is held.
func (q *Queue) tally(incident string) *Tally {
	t := q.tallies[incident]
	if t == nil {
		t = new(Tally)
		q.tallies[incident] = t
	}
	return t
}

// Reports returns up to limit of the reports that nobody has acknowledged,
// newest first, together by incident. What was found in the last seconds may be
// missing. It is never nil.
func (q *Queue) Reports(ctx context.Context, limit int) ([]Reports, error) {
	q.mu.Lock()
	batches := make([]batch, 0, len(q.batches))
	for _, b := range q.batches {
		batches = append(batches, *b)
	}
	q.mu.Unlock()
	slices.SortFunc(batches, func(a, b batch) int { return strings.Compare(b.key, a.key) }) // keys begin with their time

	all := []Reports{}
	of := map[string]int{} // where an incident's reports are
	for _, b := range batches {
		if limit <= 0 {
			break
		}
		rec, ok, err := q.readBatch(ctx, b.key)
		if err != nil {
			return nil, err
		}
		var some Reports
		if !ok || json.Unmarshal(rec.Body, &some) != nil {
			continue // acknowledged, or its life is over, since
		}
		some.Reports = some.Reports[:min(limit, len(some.Reports))]
		limit -= len(some.Reports)
		at, known := of[rec.Incident]
		if !known {
			of[rec.Incident] = len(all)
			all = append(all, some)
			continue
		}
		all[at].Reports = append(all[at].Reports, some.Reports...)
	}
	return all, nil
}
