package alarms

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// A message is what is sent, and repeated as it is until it was acknowledged.
type message struct {
	Key     string          `json:"key"` // Idempotency-Key
	Kind    Kind            `json:"kind"`
	At      time.Time       `json:"at"`
	Summary string          `json:"summary"`
	Detail  json.RawMessage `json:"detail"`
	Tells   []told          `json:"tells"`

	failures int
	next     time.Time // not to be sent before
}

// told is up to where a message tells of something.
type told struct {
	About string    `json:"about"`
	At    time.Time `json:"at"`
}

// messageOf makes one message of events of a kind, at least one: it tells the newest and
// counts the others.
func messageOf(events []*event) (m *message, counted int) {
	slices.SortFunc(events, func(x, y *event) int { return y.At.Compare(x.At) })
	newest, since := events[0], events[0].first()
	m = &message{Key: uuid.Must(uuid.NewV7()).String(), Kind: newest.Kind, At: newest.At, Summary: newest.Summary, Detail: newest.Detail}
	counted = -1
	for _, e := range events {
		m.Tells = append(m.Tells, told{e.About, e.At})
		counted += e.More + 1
		if e.first().Before(since) {
			since = e.first()
		}
	}
	if counted > 0 {
		m.Summary += fmt.Sprintf(", and %d more since %s", counted, since.Format("15:04:05 UTC"))
	}
	return m, counted
}

func (m *message) over(now time.Time) bool { return now.Sub(m.At) >= goodFor }

// body is what is sent of m.
func (m *message) body(from From) body {
	return body{Kind: m.Kind, At: m.At, Summary: m.Summary, Detail: m.Detail, Instance: from.Instance(), URL: from.URL}
}
