package public

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"captchagate/api"
	"captchagate/captcha"
	"captchagate/policy"
)

// Which decisions have a line in the log.
const (
	LinesAll        = "all"
	LinesExceptions = "exceptions" // those that are not "verified"
	LinesNone       = "none"       // and no refusals either
)

// Lines says what the log holds of each decision.
type Lines struct {
	Decisions string // LinesAll, LinesExceptions or LinesNone; "" is LinesNone
	// Who names a user so that one's lines can be found, and nobody else knows who
	// it was; nil: lines name nobody.
	Who func(of captcha.Ticket) string
}

// maxRefusedLines is how many refusals are logged in a second. A backend that
// writes its requests wrongly does so with all of them.
const maxRefusedLines = 10

// lines writes the line of each decision, and of requests that were refused. None
// holds anything that a user sent.
type lines struct {
	Lines
	log *slog.Logger

	mu      sync.Mutex
	refused *rate.Limiter
	skipped int // refusals without a line, since the last one with
}

func newLines(of Lines, log *slog.Logger) *lines {
	return &lines{Lines: of, log: log, refused: rate.NewLimiter(maxRefusedLines, maxRefusedLines)}
}

// asked is a request that gets a decision.
type asked struct {
	by     *caller
	scene  string // "" where the request could not be read
	of     captcha.Ticket
	began  time.Time
	replay bool
	shadow bool // nobody got it
}

// decision writes the line of a decision.
func (l *lines) decision(c *gin.Context, a asked, d policy.Decision) {
	if l.Decisions != LinesAll && (l.Decisions != LinesExceptions || d.Reason == policy.ReasonVerified) || !l.log.Enabled(c.Request.Context(), slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("decision_id", d.ID)
	text("scene", a.scene)
	attrs = append(attrs,
		slog.String("decision", d.Action.String()), slog.String("reason", string(d.Reason)), slog.String("mode", string(d.Mode)))
	text("cause", cmp.Or(d.OwnCause, string(d.Cause)))
	text("degraded_by", string(d.DegradedBy))
	text("why", d.Why)
	if d.Answer != nil {
		attrs = append(attrs, slog.Int64("code", d.Answer.Code))
	}
	attrs = append(attrs, slog.Int("attempts", d.Attempts), slog.Float64("ms", float64(time.Since(a.began).Microseconds())/1000))
	text("caller", a.by.name)
	text("request_id", requestID(c))
	if l.Who != nil {
		text("who", l.Who(a.of))
	}
	if a.replay {
		attrs = append(attrs, slog.Bool("replay", true))
	}
	if a.shadow {
		attrs = append(attrs, slog.Bool("shadow", true))
	}
	l.log.LogAttrs(c.Request.Context(), slog.LevelInfo, "decision", attrs...)
}

// refusal writes the line of a request that was refused, at most ten a second.
func (l *lines) refusal(c *gin.Context, status int) {
	if l.Decisions == LinesNone || l.Decisions == "" || !l.log.Enabled(c.Request.Context(), slog.LevelInfo) {
		return
	}
	l.mu.Lock()
	told, skipped := l.refused.Allow(), l.skipped
	l.skipped++
	if told {
		l.skipped = 0
	}
	l.mu.Unlock()
	if !told {
		return
	}
	attrs := []slog.Attr{
		slog.Int("status", status), slog.String("method", knownMethod(c.Request.Method)), slog.String("route", c.FullPath()),
		slog.String("detail", c.GetString(detailKey)), slog.String("request_id", requestID(c)),
	}
	if fields := c.GetString(fieldsKey); fields != "" {
		attrs = append(attrs, slog.String("fields", fields))
	}
	if name := c.GetString(callerKey); name != "" {
		attrs = append(attrs, slog.String("caller", name))
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Int("refused_without_a_line", skipped))
	}
	l.log.LogAttrs(c.Request.Context(), slog.LevelInfo, "refused", attrs...)
}

// ownFields are what POST /v1/verify and POST /siteverify take. Others may be anything.
var ownFields = []string{
	"ticket", "randstr", "challenge", "user_ip", "scene", "type", "subject", "reference", "captcha_app_id", "body", "Idempotency-Key",
	"secret", "response", "remoteip", "idempotency_key", "Content-Type",
}

// fieldsOf names the fields that mistakes are in.
func fieldsOf(mistakes []api.Mistake) string {
	var names []string
	for _, m := range mistakes {
		name := m.Field
		if !slices.Contains(ownFields, name) {
			name = "an unknown one"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// knownMethod is a method, or "other": the word is the client's.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// Keys of a request's values, set where it is refused.
const (
	detailKey = "detail"
	fieldsKey = "fields"
	callerKey = "caller"
	statusKey = "status" // of a refusal that is answered with 200
)

// requestID is the request's name, as its answer has it.
func requestID(c *gin.Context) string {
	if ids := c.Writer.Header()["X-Request-Id"]; len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// isRequestID reports whether an X-Request-Id is taken over: 1 to 64 letters,
// digits, ".", "_" and "-".
func isRequestID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '.', b == '_', b == '-':
		default:
			return false
		}
	}
	return true
}
