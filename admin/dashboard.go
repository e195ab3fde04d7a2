package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/control"
	"captchagate/watch"
)

// How much of the past the dashboard's first page shows.
const (
	shownEntries   = 12
	shownIncidents = 8
)

// A board is what the dashboard shows of one moment.
type board struct {
	Now      time.Time
	Head     headline
	Does     string // what scenes do
	Status   Status
	Entries  []control.Entry
	Unread   bool // the audit could not be read
	Past     []watch.Incident
	Operator bool
}

// boardNow is how things are for who asks.
func (s *Server) boardNow(ctx context.Context, operator bool) board {
	b := board{Now: time.Now(), Status: s.views.Status().whole(), Past: s.views.Incidents(shownIncidents), Operator: operator}
	b.Head = headlineOf(b.Status, b.Now)
	var err error
	if b.Entries, err = s.control.AuditEntries(ctx, time.Time{}, shownEntries); err != nil {
		s.log.Error("the audit could not be shown", "error", err)
		b.Unread = true
	}
	if b.Status.Mode == "degraded" {
		b.Does = does(s.views.Scenes())
	}
	return b
}

// dashboardPage is the whole page.
type dashboardPage struct {
	board

	Form  switchForm
	Actor string
	Demo  bool // nobody logs in, so nobody logs out
}

// getDashboard shows the dashboard.
func (s *Server) getDashboard(c *gin.Context) {
	now := s.boardNow(c.Request.Context(), operates(c))
	page := dashboardPage{board: now, Form: s.newForm(now.Status), Actor: actor(c), Demo: len(s.guard.tokens) == 0}
	s.render(c, http.StatusOK, "dashboard", page)
}

// getNow shows the part of it that changes all the time.
func (s *Server) getNow(c *gin.Context) {
	s.render(c, http.StatusOK, "now", s.boardNow(c.Request.Context(), operates(c)))
}
