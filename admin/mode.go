package admin

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/control"
)

// putMode moves the switch, or begins or ends a drill.
func (s *Server) putMode(c *gin.Context) {
	change, mistakes, ok := readChange(c)
	if !ok {
		return
	}
	for _, mistake := range s.control.Check(change) { // once is enough for a field
		if !slices.ContainsFunc(mistakes, func(m api.Mistake) bool { return m.Field == mistake.Field }) {
			mistakes.Add(mistake.Field, mistake.Detail)
		}
	}
	if len(mistakes) > 0 {
		refuse(c, http.StatusBadRequest, "the mode was not changed: the request has mistakes", mistakes...)
		return
	}
	err := s.control.Set(c.Request.Context(), change)
	switch _, is := mistakesIn(err); {
	case err == nil:
		s.getStatus(c)
	case is: // the scenes were reloaded in between
		refuse(c, http.StatusBadRequest, "the mode was not changed: "+err.Error())
	default:
		s.log.Error("the mode could not be changed", "error", err)
		refuse(c, http.StatusServiceUnavailable, "the mode was not changed, because the store could not be written; the gateway's log says more")
	}
}

func mistakesIn(err error) (control.Mistakes, bool) { return errors.AsType[control.Mistakes](err) }

// modeBody is the object of PUT /admin/v1/mode.
type modeBody struct {
	Mode   api.Member `json:"mode"`
	Reason api.Member `json:"reason"`
	For    api.Member `json:"for"`
	Scene  api.Member `json:"scene"`
	Share  api.Member `json:"share"`
	Rest   api.Rest   `json:",embed"`
}

func readChange(c *gin.Context) (change control.Change, wrong api.Mistakes, ok bool) {
	var b modeBody
	if !readBody(c, &b) {
		return change, nil, false
	}
	change.Actor = actor(c)
	change.Mode = readMode(&wrong, b.Mode)
	change.Reason, _ = wrong.Text("reason", b.Reason)
	change.For = readFor(&wrong, b.For)
	change.Scene = readScene(&wrong, b.Scene)
	if share, ok := wrong.Number("share", b.Share); ok {
		change.Share = &share
	}
	wrong.Unknown(b.Rest)
	return change, wrong, true
}

// readMode takes a mode that it cannot read for degraded, which everything
// goes with: one mistake is not to bring others forth.
func readMode(wrong *api.Mistakes, m api.Member) control.Mode {
	if !m.Given() {
		wrong.Add("mode", "is required: auto, degraded or normal")
	}
	name, ok := wrong.Text("mode", m)
	if !ok {
		return control.Degraded
	}
	var mode control.Mode
	if err := mode.UnmarshalText([]byte(name)); err != nil {
		wrong.Add("mode", err.Error())
		return control.Degraded
	}
	return mode
}

func readFor(wrong *api.Mistakes, m api.Member) time.Duration {
	written, ok := wrong.Text("for", m)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(written)
	if err != nil || d <= 0 {
		wrong.Add("for", "must be a time longer than 0, such as 30m or 1h30m")
		return 0
	}
	return d
}

// readScene refuses an empty name: who forgot it must not move the switch of
// all scenes.
func readScene(wrong *api.Mistakes, m api.Member) string {
	scene, ok := wrong.Text("scene", m)
	if ok && scene == "" {
		wrong.Add("scene", "is empty; leave it out for all scenes")
	}
	return scene
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

func auditQuery(c *gin.Context) (since time.Time, limit int, mistakes api.Mistakes) {
	limit = someEntries
	var err error
	if written, given := c.GetQuery("since"); given {
		if since, err = time.Parse(time.RFC3339, written); err != nil {
			mistakes.Add("since", "must be a time such as 2006-01-02T15:04:05Z (a + must be written %2B)")
		}
	}
	if written, given := c.GetQuery("limit"); given {
		if limit, err = strconv.Atoi(written); err != nil || limit < 1 || limit > mostEntries {
			mistakes.Add("limit", "must be a number between 1 and "+strconv.Itoa(mostEntries))
		}
	}
	return since, limit, mistakes
}
