package alarms

import (
	"encoding/json"
	"strings"
	"time"
)

// Bounds on what waits.
const (
	maxEvents  = 256     // of one instance; there are as many as kinds, scenes and apps
	maxSummary = 1 << 10 // bytes: WeCom takes two thousand
	maxDetail  = 16 << 10
)

// A topic is what events that are told of together are about.
type topic struct {
	kind  Kind
	about string
}

// An event is what happened, and how often before it did that nobody was told of.
type event struct {
	Kind    Kind            `json:"kind"`
	About   string          `json:"about"`
	At      time.Time       `json:"at"`
	Summary string          `json:"summary"`
	Detail  json.RawMessage `json:"detail"`
	Since   time.Time       `json:"since"` // the first of More
	More    int             `json:"more"`
}

func (e *event) topic() topic { return topic{e.Kind, e.About} }

// over reports whether nobody needs to be told any more.
func (e *event) over(now time.Time) bool { return now.Sub(e.At) >= goodFor }

// follow has e stand for an earlier event too.
func (e *event) follow(was *event) {
	e.More += was.More + 1
	e.Since = was.first()
}

// first is when the first of what e stands for happened.
func (e *event) first() time.Time {
	if e.More > 0 {
		return e.Since
	}
	return e.At
}

// note has an event wait to be told.
func (a *Alarms) note(e *event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, waits := a.events[e.topic()]
	if !waits && len(a.events) >= maxEvents {
		a.count(e.Kind, resultLost, 1)
		return
	}
	if waits {
		e.follow(was)
	}
	a.events[e.topic()] = e
	a.changed(eventKey(e.topic()))
	wake(a.wake)
}

func shorten(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxSummary)], "")
}
