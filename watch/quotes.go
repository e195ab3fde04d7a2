package watch

import (
	"slices"
	"time"
)

const (
	// maxQuoted is how many of the provider's request ids an incident keeps: the first.
	maxQuoted = 20
	// quotedBefore is how long before its beginning a call may have failed that is quoted
	// for an incident.
	quotedBefore = 30 * time.Second
	maxRequestID = 64 // bytes
)

// quote is what the Captcha API named a call that failed.
type quote struct {
	id string
	at time.Time
}

// Quote notes what the Captcha API named a call that failed, for the incident that goes on
// or may be about to begin: people quote it to the provider. What is no id is left out.
func (is *Incidents) Quote(requestID string, at time.Time) {
	if !isRequestID(requestID) {
		return
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	if is.ongoing != nil {
		is.ongoing.quote(requestID)
		return
	}
	if len(is.quotes) == maxQuoted {
		is.quotes = slices.Delete(is.quotes, 0, 1)
	}
	is.quotes = append(is.quotes, quote{requestID, at})
}

// isRequestID tells an id from whatever else an answer may have in its place.
func isRequestID(id string) bool {
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// takeQuotes gives an incident the ids of the calls that failed just before. The lock is held.
func (is *Incidents) takeQuotes(r *record) {
	for _, q := range is.quotes {
		if r.incident.Began.Sub(q.at) <= quotedBefore {
			r.quote(q.id)
		}
	}
	is.quotes = nil
}

func (r *record) quote(id string) {
	if ids := r.incident.RequestIDs; len(ids) < maxQuoted && !slices.Contains(ids, id) {
		r.incident.RequestIDs = append(ids, id)
		r.dirty = true
	}
}
