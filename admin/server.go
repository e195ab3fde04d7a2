// Package admin is the operators' door: the HTTP API under /admin/v1, the
// metrics, and the client that the commands use.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/control"
)

// requestTime bounds a request, reading its body included.
const requestTime = 10 * time.Second

// Server answers operators.
type Server struct {
	control *control.Control
	status  func() Status
	reload  func(ctx context.Context, actor string) error
	log     *slog.Logger
	views   Views
	guard   *guard
	engine  *gin.Engine
}

// Views are what others keep for operators to see, as values that become JSON.
type Views struct {
	Incidents  func(limit int) any                               // newest first
	Reverified func(ctx context.Context, limit int) (any, error) // newest first
}

// New returns the operators' API. status tells how the gateway is; reload
// loads the configuration again and enters in the audit what came of it, in the
// name of actor, and is nil where there is no file; metrics
// answers GET /metrics; views are further lists. cfg must be valid.
func New(cfg Config, ctrl *control.Control, status func() Status, reload func(ctx context.Context, actor string) error, metrics http.Handler, views Views, log *slog.Logger) *Server {
	s := &Server{views: views, control: ctrl, status: status, reload: reload, log: log, guard: newGuard(cfg.Tokens)}
	s.engine = newEngine()
	s.engine.Use(s.recoverPanic, bounded, s.guard.letIn)
	s.engine.NoRoute(notFound)
	s.engine.NoMethod(wrongMethod)

	s.engine.GET("/metrics", gin.WrapH(metrics))
	v1 := s.engine.Group("/admin/v1")
	v1.GET("/status", s.getStatus)
	v1.GET("/audit", s.getAudit)
	v1.GET("/incidents", s.getIncidents)
	v1.GET("/reverified", s.getReverified)
	v1.PUT("/mode", operatorsOnly, s.putMode)
	v1.POST("/reload", operatorsOnly, s.postReload)
	return s
}

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

// Handler returns what the operators' listener serves.
func (s *Server) Handler() http.Handler { return s.engine }

// recoverPanic answers 500 where a handler panics. What it panicked with may
// hold anything, so only its type and the place are logged.
func (s *Server) recoverPanic(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause)
		}
		s.log.Error("an operator's request failed inside", "path", c.FullPath(), "panic", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			refuse(c, http.StatusInternalServerError, "something is wrong inside the gateway; its log says more")
		}
		c.Abort()
	}()
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Next()
}

// bounded ends a request that takes too long, also one whose body trickles in.
func bounded(c *gin.Context) {
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

func (s *Server) getStatus(c *gin.Context) { answer(c, s.status().whole()) }

func (s *Server) postReload(c *gin.Context) {
	if s.reload == nil {
		refuse(c, http.StatusNotImplemented, "this gateway was started without a configuration file; there is nothing to load again")
		return
	}
	if err := s.reload(c.Request.Context(), actor(c)); err != nil {
		refuse(c, http.StatusUnprocessableEntity, "the configuration was not reloaded and the one before goes on: "+err.Error())
		return
	}
	s.getStatus(c)
}
