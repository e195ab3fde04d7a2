// Package admin is the operators' door: the HTTP API under /admin/v1, the
// metrics, the dashboard, and the client that the commands use.
package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"captchagate/api"
	"captchagate/control"
	"captchagate/reverify"
	"captchagate/sla"
	"captchagate/watch"
)

// requestTime bounds a request, reading its body included.
const requestTime = 10 * time.Second

// Server answers operators.
type Server struct {
	control *control.Control
	views   Views
	reload  func(ctx context.Context, actor string) (Reloaded, error)
	log     *slog.Logger
	guard   *guard
	public  *url.URL                 // where operators reach the listener; nil if nobody said
	namings map[string]*rate.Limiter // by actor
	live    *live
	engine  *gin.Engine

	rendered rendered
}

// Views are what the rest of the gateway has for operators to see.
type Views interface {
	// Status is how the gateway is.
	Status() Status
	// Scenes are those that are configured, in order.
	Scenes() []Scene
	// Incidents are up to limit outages, newest first.
	Incidents(limit int) []watch.Incident
	// Incident is one of them, by its id.
	Incident(id string) (i watch.Incident, ok bool)
	// Series is what happened in the last minutes, oldest first, and how far its
	// points lie apart.
	Series(minutes int) (every time.Duration, points []watch.Point)
	// Reverified are up to limit reports of re-verification that nobody has
	// acknowledged, newest first. The error says that they cannot be read.
	Reverified(ctx context.Context, limit int) (reverify.Reports, error)
	// SLA are the service levels of a month such as 2026-11, the present one if it is
	// empty. The error is sla.ErrMonth.
	SLA(month string) (sla.Report, error)
	// Who is what a user is called in the log, by address, subject or both, in
	// each month that it can be told of, newest first.
	Who(ctx context.Context, ip netip.Addr, subject string) ([]Name, error)
	// Alarms reports whether somebody is told of alarms.
	Alarms() bool
	// TestAlarms sends an alarm that is a test, in the name of actor. The error is
	// ErrNoAlarms, or says why nobody took it.
	TestAlarms(ctx context.Context, actor string) error
}

// New returns the operators' API. reload loads the configuration again and
// enters in the audit what came of it, in the name of actor, and is nil if
// there is no file; metrics answers GET /metrics. cfg must be valid.
func New(cfg Config, ctrl *control.Control, views Views, reload func(ctx context.Context, actor string) (Reloaded, error), metrics http.Handler, log *slog.Logger, reg prometheus.Registerer) *Server {
	s := &Server{control: ctrl, views: views, reload: reload, log: log, guard: newGuard(cfg.Tokens, newRefusals(log, reg)), public: cfg.public(), namings: newNamings(cfg.Tokens), live: newLive(func() Status { return views.Status().whole() })}
	s.rendered.parts = map[string]renderedPart{}
	ctrl.FollowAudit(func(e control.Entry) {
		s.rendered.happened.Add(1)
		s.live.entered(e)
	})
	s.engine = newEngine()
	s.engine.Use(s.guarded, bounded)
	if cfg.TLS.ClientCA != "" {
		s.engine.Use(certified)
	}
	s.serveDashboard()
	s.engine.Use(s.guard.letIn)
	s.engine.NoRoute(notFound)
	s.engine.NoMethod(wrongMethod)

	s.engine.Match(readMethods, "/metrics", gin.WrapH(metrics))
	v1 := s.engine.Group("/admin/v1")
	v1.Match(readMethods, "/status", s.getStatus)
	v1.Match(readMethods, "/audit", s.getAudit)
	v1.Match(readMethods, "/incidents", s.getIncidents)
	v1.Match(readMethods, "/incidents/:id", s.getIncident)
	v1.Match(readMethods, "/series", s.getSeries)
	v1.Match(readMethods, "/events", s.getEvents)
	v1.Match(readMethods, "/reverified", s.getReverified)
	v1.Match(readMethods, "/sla", s.getSLA)
	v1.POST("/who", s.postWho)
	v1.PUT("/mode", s.guard.operatorsOnly, s.putMode)
	v1.POST("/reload", s.guard.operatorsOnly, s.postReload)
	v1.POST("/alarms/test", s.guard.operatorsOnly, s.postAlarmsTest)
	return s
}

// serveDashboard adds what browsers ask for. It stands before the guard of the API, for
// who may not in is asked for the token here.
func (s *Server) serveDashboard() {
	for path, one := range ours {
		s.engine.Match(readMethods, path, one.serve)
	}
	s.engine.POST("/login", s.postLogin)
	s.engine.POST("/logout", s.postLogout)
	for _, path := range []string{"/login", "/logout", "/mode", "/reload", "/alarms"} {
		s.engine.Match(readMethods, path, backHome) // the address of a form's answer, typed or bookmarked
	}
	page := s.engine.Group("/", s.letInPage)
	page.Match(readMethods, "/", s.getDashboard)
	page.Match(readMethods, "/now", s.getNow)
	page.Match(readMethods, "/charts", s.getCharts)
	page.Match(readMethods, "/sla", s.getLevels)
	page.POST("/mode", s.postMode)
	page.POST("/reload", s.postReloadForm)
	page.POST("/alarms", s.postAlarmsForm)
}

// readMethods are the methods of what is read.
var readMethods = []string{http.MethodGet, http.MethodHead}

// newEngine returns Gin without its own logger, redirects and trust in
// headers.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.ForwardedByClientIP = false
	_ = engine.SetTrustedProxies(nil) // an empty list cannot be wrong
	return engine
}

// Run tells event streams of what changes until ctx ends.
func (s *Server) Run(ctx context.Context) { s.live.run(ctx) }

// EndStreams ends all event streams: a server that shuts down waits for them.
func (s *Server) EndStreams() { s.live.end() }

// Handler returns what the operators' listener serves.
func (s *Server) Handler() http.Handler { return s.engine }

// guarded turns a panic into an answer.
func (s *Server) guarded(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	if s.secure(c.Request) {
		c.Header("Strict-Transport-Security", "max-age=31536000")
	}
	if !api.Guard(c.Writer, c.FullPath(), s.log, c.Next) {
		c.Abort()
	}
}

// certified lets on who showed a certificate that holds. Nobody connects without one; but
// one that is kept may have been taken out of force since.
func certified(c *gin.Context) {
	if c.Request.TLS == nil || len(c.Request.TLS.VerifiedChains) == 0 {
		refuse(c, http.StatusForbidden, "the certificate that this connection showed holds no more; connect again with one of an authority in admin.tls.client_ca")
	}
}

// bounded ends a request that takes too long, also one whose body trickles in. Event
// streams bound themselves.
func bounded(c *gin.Context) {
	if c.FullPath() == eventsPath {
		c.Next()
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTime)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(requestTime)) // not every writer can
	c.Next()
}

// answer answers with body as JSON.
func answer(c *gin.Context, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		refuse(c, http.StatusInternalServerError, "the answer cannot be written as JSON")
		return
	}
	c.Data(http.StatusOK, "application/json", append(text, '\n'))
}

func (s *Server) getStatus(c *gin.Context) { answer(c, s.views.Status().whole()) }

func (s *Server) postReload(c *gin.Context) {
	if s.reload == nil {
		refuse(c, http.StatusNotImplemented, "this gateway was started without a configuration file; there is nothing to load again")
		return
	}
	came, err := s.reload(c.Request.Context(), actor(c))
	if err != nil {
		refuse(c, http.StatusUnprocessableEntity, "the configuration was not reloaded and the one before goes on:\n"+err.Error())
		return
	}
	status := s.views.Status().whole()
	status.Reload, status.ReloadWarnings = came.Summary, came.Warnings
	answer(c, status)
}
