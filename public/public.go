// Package public is the door for backends and pages: POST /v1/verify, and what a
// page may fetch and report. Its routes are in Handler.
package public

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"captchagate/captcha"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/watch"
)

const (
	// answerLife is how long a repeated request gets the same answer.
	answerLife = 5 * time.Minute
	// maxAnswers bounds the answers kept for Idempotency-Keys: all of answerLife
	// at the API's limit of 1,000 a second.
	maxAnswers = 300_000
)

// A Decider decides about users: policy.Policy.
type Decider interface {
	Decide(ctx context.Context, r policy.Request) policy.Decision
	// Repeat counts a decision that was given once more.
	Repeat(scene string, d policy.Decision)
	// Scene returns a configured scene.
	Scene(name string) (policy.Scene, bool)
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

// Incidents counts what was answered while an outage went on.
type Incidents interface {
	CountDecision(action, cause string)
}

// Reports takes what pages report of captchas that failed to load.
type Reports interface {
	Record(visitor netip.Addr, events []watch.Event)
}

// Config is what the door needs to know of the configuration.
type Config struct {
	APIKeys        []APIKey       // none = whoever reaches the listener may ask
	Apps           []uint64       // captcha_app_id that requests may name, at least one
	AllowedOrigins []string       // whose pages may read answers
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
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
	incidents  Incidents
	reports    Reports
	log        *slog.Logger

	callers    atomic.Pointer[callers]
	answers    *once.Answers[policy.Decision]
	keys       *once.Answers[struct{}] // what each Idempotency-Key was first used for
	complaints rate.Sometimes          // of backends that send no ticket
	pages      *policy.Limiter         // what pages may ask for, by address
	draining   atomic.Bool
	refusals   *prometheus.CounterVec
}

// New returns a server that is ready. cfg must be valid.
func New(cfg Config, d Decider, s Situation, c Challenger, i Incidents, r Reports, log *slog.Logger, reg prometheus.Registerer) *Server {
	server := &Server{
		cfg: cfg, decider: d, situation: s, challenger: c, incidents: i, reports: r, log: log,
		answers:    once.NewAnswers[policy.Decision](answerLife, maxAnswers),
		keys:       once.NewAnswers[struct{}](answerLife, maxAnswers),
		complaints: rate.Sometimes{Interval: time.Minute},
		pages:      pageBudget(),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_refused_total", Help: "Requests refused for what the caller wrote, by status.",
		}, []string{"status"}),
	}
	server.SetAPIKeys(cfg.APIKeys)
	for _, status := range []int{400, 401, 403, 404, 405, 409, 413, 415, 429} {
		server.refusals.WithLabelValues(strconv.Itoa(status))
	}
	reg.MustRegister(server.refusals)
	return server
}

// SetAPIKeys replaces the keys, for requests that come from now on.
func (s *Server) SetAPIKeys(keys []APIKey) { s.callers.Store(newCallers(keys)) }

// Drain has GET /readyz say from now on that no requests should come here.
func (s *Server) Drain() { s.draining.Store(true) }

func (s *Server) refused(status int) {
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		s.refusals.WithLabelValues(strconv.Itoa(status)).Inc()
	}
}
