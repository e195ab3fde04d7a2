package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"captchagate/control"
	"captchagate/watch"
)

// forcedBefore is how long before an incident a mode may have been forced that is told of
// in its story.
const forcedBefore = 24 * time.Hour

// A hold is a time for which an operator forced normal.
type hold struct {
	actor, reason string
	began         time.Time
	ended         *time.Time // nil while it goes on
}

// text says what that meant for users.
func (h hold) text() string {
	return fmt.Sprintf("%s forced normal, %s: whom the Captcha API could not verify was denied then, in every scene. The reason given: %s.", h.actor, between(h.began, h.ended), h.reason)
}

// forcedNormal are sentences about who forced normal in an incident. Forced degraded is a
// part of it and told as one.
func (s *Server) forcedNormal(ctx context.Context, i watch.Incident) (told []string) {
	entries, err := s.control.AuditEntries(ctx, i.Began.Add(-forcedBefore), mostEntries)
	if err != nil {
		s.log.Error("the audit could not be read for an incident's story", "error", err)
		return []string{"Whether somebody forced normal meanwhile is not known: the audit could not be read."}
	}
	for _, h := range holdsOf(entries) {
		if (i.Ended == nil || h.began.Before(*i.Ended)) && (h.ended == nil || h.ended.After(i.Began)) {
			told = append(told, h.text())
		}
	}
	return told
}

// holdsOf finds them in entries of the audit, newest first; the oldest is told first.
func holdsOf(entries []control.Entry) (holds []hold) {
	for _, e := range slices.Backward(entries) {
		var change struct {
			Mode, Reason, Scene string
			Since               *time.Time // only of what lapsed
		}
		if e.Kind != control.KindSwitch || json.Unmarshal(e.Detail, &change) != nil || change.Scene != "" {
			continue
		}
		last := len(holds) - 1
		goesOn := last >= 0 && holds[last].ended == nil
		forces := change.Mode == control.Normal.String() && change.Since == nil
		switch {
		case forces && !goesOn:
			holds = append(holds, hold{e.Actor, change.Reason, e.At, nil})
		case !forces && goesOn:
			holds[last].ended = &e.At
		}
	}
	return holds
}
