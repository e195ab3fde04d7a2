package watch

import (
	"slices"
	"strings"
	"time"
)

// A Kind is what makes an incident.
type Kind string

// The kinds. A drill is none: it is somebody's will and concerns a scene.
const (
	KindCircuit Kind = "circuit" // the circuit is not closed
	KindForced  Kind = "forced"  // an operator forces degraded mode on all
	KindAccount Kind = "account" // the Captcha API refuses our account
	KindScript  Kind = "script"  // the page's script is away
)

// An Incident is one outage: from the moment when its first part began, or the
// first call failed because of which the circuit opened, to the moment when none
// went on. It holds nothing that a user sent.
type Incident struct {
	ID          string        `json:"id"` // UUIDv7, so in the order of time
	Began       time.Time     `json:"began"`
	Ended       *time.Time    `json:"ended"`       // nil while it goes on
	Evidence    string        `json:"evidence"`    // of its parts in their order, each once
	Parts       []Part        `json:"parts"`       // what it was, in the order of their beginnings
	Interrupted bool          `json:"interrupted"` // the process ended while it went on: counts of a second or two may be missing
	Answers     []AnswerCount `json:"answers"`     // those given while it went on, and for its sake before that was known
	Scenes      []SceneCount  `json:"scenes"`      // the same answers, by scene
	Spared      int64         `json:"spared"`      // users' requests that the Captcha API was spared, because the circuit was open
	RequestIDs  []string      `json:"request_ids"` // of calls that failed, to quote to the provider; the first 20
	Reverified  Reverified    `json:"reverified"`
}

// A Part is one cause of an incident from its beginning to its end. Parts may
// overlap, as when an operator forces degraded mode while the circuit is open.
type Part struct {
	Kind     Kind       `json:"kind"`
	Began    time.Time  `json:"began"`
	Ended    *time.Time `json:"ended"` // nil while it goes on
	Evidence string     `json:"evidence"`
}

// AnswerCount is how many requests got a decision for a cause.
type AnswerCount struct {
	Decision string `json:"decision"`
	Cause    string `json:"cause,omitempty"` // "" if the Captcha API decided
	Count    int64  `json:"count"`
}

// Counts is what became of those who were let through unverified.
type Counts struct {
	Waiting      int `json:"waiting"` // not asked again yet
	Confirmed    int `json:"confirmed"`
	Refuted      int `json:"refuted"`
	Unverifiable int `json:"unverifiable"`
}

// Reverified is Counts with the two shares that belong side by side: a small
// share refuted means little if only a small share could be checked.
type Reverified struct {
	Counts
	ShareChecked *float64 `json:"share_checked"` // confirmed or refuted, of all four; nil if there are none
	ShareRefuted *float64 `json:"share_refuted"` // refuted, of those checked; nil if there are none
}

func (c Counts) shares() Reverified {
	checked := c.Confirmed + c.Refuted
	return Reverified{
		Counts:       c,
		ShareChecked: share(checked, checked+c.Unverifiable+c.Waiting),
		ShareRefuted: share(c.Refuted, checked),
	}
}

func share(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	return new(float64(part) / float64(whole))
}

// Bounds on what one incident holds.
const (
	maxParts    = 32
	maxEvidence = 1 << 10 // bytes of one text
)

// Forced reports whether it was an operator's doing alone.
func (i *Incident) Forced() bool {
	return !slices.ContainsFunc(i.Parts, func(p Part) bool { return p.Kind != KindForced })
}

// begin opens a part of a kind, unless one is open. A part that was cut
// off at that moment, when an earlier process ended, goes on.
func (i *Incident) begin(kind Kind, evidence string, at, cut time.Time) {
	if i.open(kind) >= 0 {
		return // a fall-back in recovering, or told twice
	}
	last := i.last(kind)
	if last >= 0 && (len(i.Parts) >= maxParts || !cut.IsZero() && i.Parts[last].Ended.Equal(cut)) {
		i.Parts[last].Ended = nil
		return
	}
	i.Parts = append(i.Parts, Part{Kind: kind, Began: at, Evidence: shorten(evidence)})
	i.Evidence = shorten(strings.Join(i.evidences(), "; then "))
}

// evidences are the different ones of its parts.
func (i *Incident) evidences() (all []string) {
	for _, p := range i.Parts {
		if !slices.Contains(all, p.Evidence) {
			all = append(all, p.Evidence)
		}
	}
	return all
}

// end closes the part of a kind, and the incident with the last of them. It
// reports whether the incident is over. Where the clock was set back meanwhile
// nothing ends before it began.
func (i *Incident) end(kind Kind, at time.Time) (over bool) {
	p := i.open(kind)
	if p < 0 {
		return false
	}
	i.Parts[p].Ended = new(later(at, i.Parts[p].Began))
	if slices.ContainsFunc(i.Parts, func(p Part) bool { return p.Ended == nil }) {
		return false
	}
	i.Ended = new(later(at, i.Began))
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// open is the index of the kind's part that goes on; -1 if none does.
func (i *Incident) open(kind Kind) int {
	return slices.IndexFunc(i.Parts, func(p Part) bool { return p.Kind == kind && p.Ended == nil })
}

// last is the index of the kind's newest part; -1 if there is none.
func (i *Incident) last(kind Kind) int {
	for n, p := range slices.Backward(i.Parts) {
		if p.Kind == kind {
			return n
		}
	}
	return -1
}

func shorten(evidence string) string {
	return strings.ToValidUTF8(evidence[:min(len(evidence), maxEvidence)], "")
}

// clone is a copy that shares nothing which changes.
func (i *Incident) clone() Incident {
	c := *i
	c.Parts, c.Answers = slices.Clone(i.Parts), slices.Clone(i.Answers)
	c.Scenes = append([]SceneCount{}, i.Scenes...) // never nil: an older release kept none
	c.RequestIDs = append([]string{}, i.RequestIDs...)
	return c
}
