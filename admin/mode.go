package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/control"
)

// putMode moves the switch, or begins or ends a drill.
func (s *Server) putMode(c *gin.Context) {
	change, mistakes, ok := readChange(c)
	if !ok {
		return
	}
	for _, mistake := range s.control.Check(change) { // once is enough for a field
		if !slices.ContainsFunc(mistakes, func(m control.Mistake) bool { return m.Field == mistake.Field }) {
			mistakes = append(mistakes, mistake)
		}
	}
	if len(mistakes) > 0 {
		refuse(c, http.StatusBadRequest, "the mode was not changed: the request has mistakes", mistakes...)
		return
	}
	switch err := s.control.Set(c.Request.Context(), change); {
	case err == nil:
		s.getStatus(c)
	case isMistakes(err): // the scenes were reloaded in between
		refuse(c, http.StatusBadRequest, "the mode was not changed: "+err.Error())
	default:
		s.log.Error("the mode could not be changed", "error", err)
		refuse(c, http.StatusServiceUnavailable, "the mode was not changed, because the store could not be written; the gateway's log says more")
	}
}

func isMistakes(err error) bool {
	_, is := errors.AsType[control.Mistakes](err)
	return is
}

func readChange(c *gin.Context) (change control.Change, mistakes []control.Mistake, ok bool) {
	var moded bool
	mistakes, ok = readBody(c, fields{
		"mode": func(value json.RawMessage) string {
			moded = true
			return readMode(value, &change.Mode)
		},
		"reason": text(&change.Reason),
		"for":    func(value json.RawMessage) string { return readFor(value, &change.For) },
		"scene":  func(value json.RawMessage) string { return readScene(value, &change.Scene) },
		"share":  number(&change.Share),
	})
	if ok && !moded {
		mistakes = append(mistakes, control.Mistake{Field: "mode", Detail: "is required: auto, degraded or normal"})
		change.Mode = control.Degraded
	}
	change.Actor = actor(c)
	return change, mistakes, ok
}

// readMode takes a mode that it cannot read for degraded, which everything
// goes with: one mistake is not to bring others forth.
func readMode(value json.RawMessage, mode *control.Mode) string {
	var name string
	*mode = control.Degraded
	if wrong := text(&name)(value); wrong != "" {
		return wrong
	}
	if err := mode.UnmarshalText([]byte(name)); err != nil {
		return err.Error()
	}
	return ""
}

func readFor(value json.RawMessage, length *time.Duration) string {
	var written string
	if wrong := text(&written)(value); wrong != "" {
		return wrong
	}
	d, err := time.ParseDuration(written)
	if err != nil || d <= 0 {
		return "must be a time longer than 0, such as 30m or 1h30m"
	}
	*length = d
	return ""
}

// readScene refuses an empty name: who forgot it must not move the switch of
// all scenes.
func readScene(value json.RawMessage, scene *string) string {
	if wrong := text(scene)(value); wrong != "" {
		return wrong
	}
	if *scene == "" {
		return "is empty; leave it out for all scenes"
	}
	return ""
}

// Bounds of how many entries of the audit are shown.
const (
	someEntries = 100
	mostEntries = 1000
)

func (s *Server) getAudit(c *gin.Context) {
	since, limit, mistakes := auditQuery(c)
	if len(mistakes) > 0 {
		refuse(c, http.StatusBadRequest, "the query has mistakes", mistakes...)
		return
	}
	entries, err := s.control.AuditEntries(c.Request.Context(), since, limit)
	if err != nil {
		s.log.Error("the audit could not be shown", "error", err)
		refuse(c, http.StatusServiceUnavailable, "the audit could not be read from the store; the gateway's log says more")
		return
	}
	answer(c, struct {
		Entries []control.Entry `json:"entries"`
	}{entries})
}

func auditQuery(c *gin.Context) (since time.Time, limit int, mistakes []control.Mistake) {
	limit = someEntries
	var err error
	if written, given := c.GetQuery("since"); given {
		if since, err = time.Parse(time.RFC3339, written); err != nil {
			mistakes = append(mistakes, control.Mistake{Field: "since", Detail: "must be a time such as 2006-01-02T15:04:05Z (a + must be written %2B)"})
		}
	}
	if written, given := c.GetQuery("limit"); given {
		if limit, err = strconv.Atoi(written); err != nil || limit < 1 || limit > mostEntries {
			mistakes = append(mistakes, control.Mistake{Field: "limit", Detail: "must be a number between 1 and " + strconv.Itoa(mostEntries)})
		}
	}
	return since, limit, mistakes
}
