package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/control"
	"captchagate/sla"
	"captchagate/watch"
)

// How much of the past the dashboard's first page shows.
const (
	shownEntries   = 12
	shownIncidents = 8
	shownMarks     = 64 // switches in the charts
)

// A board is what the dashboard shows of one moment, to everybody alike.
type board struct {
	Now     time.Time
	Head    headline
	Got     got
	Status  Status
	Entries []control.Entry
	Unread  bool // the audit could not be read
	Past    []watch.Incident
}

// youngFor is for how long what users get changes with every second after a change.
const youngFor = 20 * time.Second

// Young reports whether the state has only begun.
func (b board) Young() bool { return b.Now.Sub(b.Head.counts()) < youngFor }

// boardNow is how things are.
func (s *Server) boardNow(ctx context.Context) board {
	b := board{Now: time.Now(), Status: s.views.Status().whole(), Past: s.views.Incidents(shownIncidents)}
	b.Head = headlineOf(b.Status, b.Past, b.Now)
	b.Entries, b.Unread = s.entries(ctx, time.Time{}, shownEntries)
	_, points := s.views.Series(watch.HistorySeconds / 60)
	b.Got = gotBy(b.Status, b.Head, points, s.views.Scenes(), b.Now)
	return b
}

// entries are the newest of the audit; unread says that they cannot be read.
func (s *Server) entries(ctx context.Context, since time.Time, limit int) (entries []control.Entry, unread bool) {
	entries, err := s.control.AuditEntries(ctx, since, limit)
	if err != nil {
		s.log.Error("the audit could not be shown", "error", err)
	}
	return entries, err != nil
}

// charts are those of a scope.
func (s *Server) charts(ctx context.Context, of scope) (chartsPart, error) {
	now := time.Now()
	_, points := s.views.Series(of.minutes)
	entries, _ := s.entries(ctx, now.Add(-time.Duration(of.minutes)*time.Minute), shownMarks)
	return newPast(of, points, now).drawn(entries)
}

// dashboardPage is the whole page, for who asks.
type dashboardPage struct {
	board

	Charts   chartsPart
	Form     switchForm
	Actor    string
	Operator bool
	Demo     bool         // nobody logs in, so nobody logs out
	Reloads  bool         // there is a file to load again
	Alarms   bool         // somebody is told
	Levels   []sla.Report // of this month and the last
}

// getDashboard shows the dashboard.
func (s *Server) getDashboard(c *gin.Context) {
	page := dashboardPage{board: s.boardNow(c.Request.Context()), Actor: actor(c), Operator: operates(c), Demo: len(s.guard.tokens) == 0, Reloads: s.reload != nil, Alarms: s.views.Alarms(), Levels: s.levels()}
	page.Form = s.newForm()
	var err error
	if page.Charts, err = s.charts(c.Request.Context(), scopeOf(c.Query("hours"))); err != nil {
		s.cannotRender(c, "charts", err)
		return
	}
	s.render(c, http.StatusOK, "dashboard", page)
}

// getNow shows the parts of it that change all the time.
func (s *Server) getNow(c *gin.Context) {
	s.renderOnce(c, "now", time.Second/2, func(ctx context.Context) (any, error) { return s.boardNow(ctx), nil })
}

// getCharts shows the charts.
func (s *Server) getCharts(c *gin.Context) {
	of := scopeOf(c.Query("hours"))
	s.renderOnce(c, "charts", of.step/2, func(ctx context.Context) (any, error) { return s.charts(ctx, of) })
}
