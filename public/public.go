// Package public is the door for backends and pages: POST /v1/verify, POST /siteverify,
// the drop-in for the Tencent Cloud API, and what a page may fetch and report. Its routes
// are in Handler.
package public

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/watch"
)

const (
	// AnswerLife is how long a repeated request gets the same answer.
	AnswerLife = 5 * time.Minute
	// maxAnswers bounds the answers kept for Idempotency-Keys: all of AnswerLife
	// at the API's limit of 1,000 a second.
	maxAnswers = 300_000
)

// A Decider decides about users: policy.Policy.
type Decider interface {
	Decide(ctx context.Context, r policy.Request) policy.Decision
	// Repeat counts a decision that was given once more.
	Repeat(ctx context.Context, scene string, d policy.Decision)
	// Scene returns a configured scene.
	Scene(name string) (policy.Scene, bool)
	// Scenes are the names of all, in order.
	Scenes() []string
}

// A Situation says how scenes stand.
type Situation interface {
	// SceneMode is who decides about the scene now, whoever its user is.
	SceneMode(scene string) policy.Mode
	// Cause is why the scene is degraded.
	Cause(scene string) captcha.Cause
	// Observe notes what is degraded at this moment.
	Observe()
}

// A Challenger issues alternate challenges to pages, as values that become JSON.
type Challenger interface {
	IssueForPage(scene string, cause captcha.Cause, visitor netip.Addr) any
}

// Answers counts what users got.
type Answers interface {
	CountAnswer(a watch.Answer)
}

// Reports takes what pages report of captchas that failed to load.
type Reports interface {
	Record(visitor netip.Addr, events []watch.Event)
}

// Vouch is told that whoever asks on the connection of a request, which ctx is of,
// has shown a key.
type Vouch func(ctx context.Context)

// Config is what the door needs to know of the configuration.
type Config struct {
	APIKeys        []APIKey       // none = whoever reaches the listener may ask
	Apps           []uint64       // captcha_app_id that requests may name, at least one
	AllowedOrigins []string       // whose pages may read answers
	Certified      bool           // backends need a client certificate
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Lines          Lines
	AppID          AppID // nil = pages use their app id as it is
	DropIn         DropIn
	Accounts       Accounts  // of callers of the drop-in
	Forwarder      Forwarder // needed for calls in shadow

	Others once.Others[policy.Decision] // that answer the same backends; nil = none
}

// An AppID encrypts the app id of pages, where Tencent's console wants that.
type AppID interface {
	Encrypt(now time.Time) (id uint64, encrypted string, expires time.Time)
}

// An APIKey lets one backend in: an entry of the section "api_keys".
type APIKey struct {
	Name   string   `yaml:"name"` // for logs
	Key    string   `yaml:"key"`
	Scenes []string `yaml:"scenes,omitempty"` // none = all
}

// Server answers backends and pages. It is safe for concurrent use.
type Server struct {
	cfg        Config
	decider    Decider
	situation  Situation
	challenger Challenger
	answers    Answers
	reports    Reports
	lines      *lines
	vouch      Vouch
	log        *slog.Logger

	callers   atomic.Pointer[callers]
	appID     atomic.Pointer[AppID]            // nil = pages use their app id as it is
	questions *once.Questions[policy.Decision] // asked with an Idempotency-Key
	long      longBodies
	pages     *policy.Limiter // what pages may ask for, by address
	origins   told            // pages that may not read what they ask for
	proxies   told            // trusted ones that do not say who their visitor is
	dropIn    *dropIn         // nil = off
	draining  atomic.Bool
	refusals  *prometheus.CounterVec
}

// New returns a server that is ready. cfg must be valid.
func New(cfg Config, d Decider, s Situation, c Challenger, a Answers, r Reports, v Vouch, log *slog.Logger, reg prometheus.Registerer) *Server {
	server := &Server{
		cfg: cfg, decider: d, situation: s, challenger: c, answers: a, reports: r, vouch: v, lines: newLines(cfg.Lines, log), log: log,
		questions: once.NewQuestions(AnswerLife, maxAnswers, cfg.Others),
		pages:     pageBudget(),
		origins:   told{every: time.Minute, most: 16},
		proxies:   told{most: 256},
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_refused_total", Help: "Requests refused for what the caller wrote, by status.",
		}, []string{"status"}),
	}
	server.SetAPIKeys(cfg.APIKeys)
	server.SetAppID(cfg.AppID)
	for _, status := range []int{400, 401, 403, 404, 405, 409, 413, 415, 429} {
		server.refusals.WithLabelValues(strconv.Itoa(status))
	}
	reg.MustRegister(server.refusals)
	if cfg.DropIn.Scene != "" {
		server.dropIn = newDropIn(server, reg)
	}
	return server
}

// SetAPIKeys replaces the keys, for requests that come from now on.
func (s *Server) SetAPIKeys(keys []APIKey) { s.callers.Store(newCallers(keys)) }

// SetAppID replaces what encrypts the app id of pages, nil = nothing.
func (s *Server) SetAppID(id AppID) {
	if id == nil {
		s.appID.Store(nil)
		return
	}
	s.appID.Store(&id)
}

// NotReady has GET /readyz say from now on that no requests should come here.
func (s *Server) NotReady() { s.draining.Store(true) }

func (s *Server) refused(c *gin.Context, status int) {
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		s.refusals.WithLabelValues(strconv.Itoa(status)).Inc()
		s.lines.refusal(c, status)
	}
}
