package public

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/tc3"
)

// A DropIn is the section "drop_in": the gateway answers as the Tencent Cloud API, to
// backends that use an SDK for it and only changed its endpoint.
type DropIn struct {
	Scene       string            `yaml:"scene"`       // "" = off
	ByApp       map[string]string `yaml:"by_app"`      // scene by CaptchaAppId
	Credentials []Credential      `yaml:"credentials"` // whose signatures count, besides upstream's
	Shadow      bool              `yaml:"shadow"`      // callers get what the API says, whatever would be decided
}

// A Credential is an account that signs requests.
type Credential struct {
	SecretID  string `yaml:"secret_id"`
	SecretKey string `yaml:"secret_key"`
}

// Validate lists every mistake in d, each as "key: what is wrong". Whether its scenes
// and apps exist, it cannot say.
func (d DropIn) Validate() error {
	var mistakes []error
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if d.Scene == "" && (d.Shadow || len(d.ByApp) > 0 || len(d.Credentials) > 0) {
		add("scene: is empty, which turns the drop-in off; name a scene, or leave the section out")
	}
	for _, app := range slices.Sorted(maps.Keys(d.ByApp)) {
		if id, err := strconv.ParseUint(app, 10, 64); err != nil || strconv.FormatUint(id, 10) != app {
			add("by_app: %q is no CaptchaAppId; write it as in upstream.apps, for instance {190000002: comment}", app)
		}
	}
	seen := map[string]bool{}
	for i, one := range d.Credentials {
		if one.SecretID == "" {
			add("credentials[%d].secret_id: is empty; set the SecretId that the backend signs with", i)
		} else if seen[one.SecretID] {
			add("credentials[%d].secret_id: is the same as another entry's", i)
		}
		if one.SecretKey == "" {
			add("credentials[%d].secret_key: is empty; set the SecretKey that belongs to secret_id", i)
		}
		seen[one.SecretID] = true
	}
	return errors.Join(mistakes...)
}

// SceneOf is the scene of an app's users.
func (d DropIn) SceneOf(app uint64) string {
	if scene, ok := d.ByApp[strconv.FormatUint(app, 10)]; ok {
		return scene
	}
	return d.Scene
}

// Accounts are who may call as if this were the Tencent Cloud API, and which apps they
// may ask about.
type Accounts struct {
	Keys  map[string]string // SecretKey by SecretId
	Apps  map[uint64]string // AppSecretKey by CaptchaAppId
	Owner string            // the SecretId that calls to the API are signed with
}

// dropIn answers as the Tencent Cloud API.
type dropIn struct {
	DropIn
	server  *Server
	checker *tc3.Checker
	known   atomic.Pointer[Accounts]
	answers *once.Answers[apiAnswer]
	refused *prometheus.CounterVec

	forwarder Forwarder
	would     *prometheus.CounterVec
}

// fromSDK is who asks by the drop-in, for the log.
var fromSDK = &caller{name: "drop_in"}

func newDropIn(s *Server, reg prometheus.Registerer) *dropIn {
	d := &dropIn{
		DropIn: s.cfg.DropIn, server: s,
		checker: tc3.NewChecker(nil),
		answers: once.NewAnswers[apiAnswer](AnswerLife, maxReplayed, apiAnswer.size),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "captchagate_drop_in_refused_total",
			Help: "Requests for the Tencent Cloud API that were refused for what the caller wrote, by Error.Code or CaptchaCode.",
		}, []string{"code"}),
	}
	for _, r := range refusals {
		d.refused.WithLabelValues(r.name())
	}
	d.forwarder = s.cfg.Forwarder
	d.would = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_shadow_total",
		Help: "Calls in shadow, by what would have been decided.",
	}, []string{"would"})
	for _, action := range []policy.Action{policy.Allow, policy.Challenge, policy.Deny} {
		d.would.WithLabelValues(action.String())
	}
	reg.MustRegister(d.refused, d.would)
	d.setAccounts(s.cfg.Accounts)
	return d
}

func (d *dropIn) setAccounts(a Accounts) {
	d.checker.SetKeys(a.Keys)
	d.known.Store(&a)
}

// SetAccounts replaces who may call by the drop-in, for requests that come from now on.
func (s *Server) SetAccounts(a Accounts) {
	if s.dropIn != nil {
		s.dropIn.setAccounts(a)
	}
}

// mount serves the drop-in, and returns what is to be served beside it. Whatever is
// there at / answers what is no call of the API.
func (d *dropIn) mount(r *gin.Engine, beside map[string]http.Handler) map[string]http.Handler {
	beside = maps.Clone(beside)
	page := beside["/"]
	delete(beside, "/")
	r.POST("/", d.server.certified, d.serve)
	r.Match(readMethods, "/", func(c *gin.Context) {
		if page != nil && !isCall(c.Request) {
			page.ServeHTTP(c.Writer, c.Request)
			return
		}
		if d.server.certified(c); !c.IsAborted() {
			d.serve(c)
		}
	})
	return beside
}

// isCall tells a call of the API from a browser's visit.
func isCall(r *http.Request) bool {
	return r.Header.Get("Authorization") != "" || r.Header.Get("X-TC-Action") != "" || r.URL.RawQuery != ""
}

// serve answers POST / and GET /. Whatever is wrong with a request, the status is 200
// and the answer one of the API's form.
func (d *dropIn) serve(c *gin.Context) {
	began := time.Now()
	q, refused := d.read(c, began)
	if q != nil {
		d.server.vouch(c.Request.Context())
		if d.Shadow {
			d.shadow(c, q, refused, began)
			return
		}
	}
	if refused == nil {
		refused = d.check(q)
	}
	if refused != nil {
		d.refuse(c, refused, q != nil && q.Ticket.Mini)
		return
	}
	a := asked{by: fromSDK, scene: q.Scene, of: q.Ticket, began: began}
	got, replayed, err := d.answers.Do(c.Request.Context(), q.signature.ID, q.name, nil, func() apiAnswer { return d.decide(c, q) })
	if err != nil {
		c.Abort() // the caller went away while another of its requests decided
		return
	}
	if replayed {
		c.Header("Idempotent-Replay", "true")
		a.replay = true
		d.server.decider.Repeat(c.Request.Context(), q.Scene, got.decision)
	}
	d.server.lines.decision(c, a, got.decision)
	d.server.count(q.Scene, got.decision)
	got.write(c)
}

// decide decides about the user of a call. It does even if its caller goes away: the
// same request may come again to learn what came of it.
func (d *dropIn) decide(c *gin.Context, q *call) apiAnswer {
	x := &captcha.Exchange{Extra: q.extra}
	decision := d.server.decider.Decide(x.Context(context.WithoutCancel(c.Request.Context())), q.Request)
	return apiAnswer{decision: kept(decision), body: answerOf(decision, q.Ticket, x)}
}

// kept is what a replay needs of a decision.
func kept(d policy.Decision) policy.Decision {
	d.Challenge = nil // no caller of an SDK could show it
	return d
}

// refuse answers without a decision.
func (d *dropIn) refuse(c *gin.Context, r *refusal, mini bool) {
	d.refused.WithLabelValues(r.name()).Inc()
	c.Set(detailKey, "the drop-in: "+r.name()+": "+r.message)
	d.server.lines.refusal(c, http.StatusOK)
	r.answer(mini).write(c)
}
