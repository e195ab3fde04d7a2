package public

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"captchagate/captcha"
	"captchagate/policy"
)

// maxShadow is how long a call in shadow waits for the API, if its caller does.
const maxShadow = 60 * time.Second

// A Forwarder makes calls of callers as they are, and tells s what came of them.
type Forwarder interface {
	Forward(ctx context.Context, f captcha.Forwarded, s *captcha.Shadow)
	// Unseen tells of a call about t that is over, and that no decision looked at.
	Unseen(ctx context.Context, t captcha.Ticket, s *captcha.Shadow)
}

// forwarded is a call as it goes on in shadow. The account of upstream may be allowed
// more than to verify tickets: it signs only what the drop-in is for, and every other call
// is signed with its caller's own key.
func (d *dropIn) forwarded(q *call) captcha.Forwarded {
	f := captcha.Forwarded{Action: q.action, Version: q.version, Language: q.language, Region: q.region, Body: q.sent}
	known := d.known.Load()
	if q.action != actionWeb && q.action != actionMini && q.signature.ID != known.Owner {
		f.SecretID, f.SecretKey = q.signature.ID, known.Keys[q.signature.ID]
	}
	return f
}

// shadow passes a call on to the API and its answer back, as if nobody were between, and
// tells beside it what would have been decided. refused is what is wrong with the call.
func (d *dropIn) shadow(c *gin.Context, q *call, refused *refusal, began time.Time) {
	d.patient(c)
	ctx, cancel := context.WithTimeout(c.Request.Context(), maxShadow)
	defer cancel()
	s := captcha.NewShadow()
	go d.forwarder.Forward(ctx, d.forwarded(q), s)
	decision := d.wouldDecide(ctx, c, q, refused, s, began)
	<-s.Done
	if q.Shadow && !s.Looked.Load() && c.Request.Context().Err() == nil {
		d.forwarder.Unseen(ctx, q.Ticket, s)
	}
	apiAnswer{decision: decision}.tell(c.Writer.Header())
	switch {
	case c.Request.Context().Err() != nil:
		c.Abort()
	case ctx.Err() != nil:
		refuse(c, http.StatusGatewayTimeout, "the Captcha API has not answered for 60 seconds")
	default:
		giveBack(c, s)
	}
}

// patient lets a call wait longer than those that are answered in time.
func (d *dropIn) patient(c *gin.Context) {
	one := http.NewResponseController(c.Writer)
	_ = one.SetReadDeadline(time.Time{}) // where there are no connections there are no deadlines
	_ = one.SetWriteDeadline(time.Now().Add(maxShadow + 10*time.Second))
}

// wouldDecide is the decision that the caller would have got.
func (d *dropIn) wouldDecide(ctx context.Context, c *gin.Context, q *call, refused *refusal, s *captcha.Shadow, began time.Time) policy.Decision {
	if refused == nil {
		refused = d.check(q)
	}
	if refused != nil {
		d.refused.WithLabelValues(refused.name()).Inc()
		d.would.WithLabelValues(policy.Deny.String()).Inc()
		return policy.Decision{Action: policy.Deny, Mode: policy.ModeNormal, ID: uuid.NewString()}
	}
	q.Shadow = true
	x := &captcha.Exchange{Shadow: s}
	decision := d.server.decider.Decide(x.Context(ctx), q.Request)
	d.would.WithLabelValues(decision.Action.String()).Inc()
	d.server.lines.decision(c, asked{by: fromSDK, scene: q.Scene, of: q.Ticket, began: began, shadow: true}, decision)
	return decision
}

// hopByHop are headers of one connection, which go no further.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// giveBack gives the caller what came, a part of an answer or none too.
func giveBack(c *gin.Context, s *captcha.Shadow) {
	if s.Status == 0 {
		panic(http.ErrAbortHandler) // no answer came, and none goes back
	}
	h := c.Writer.Header()
	for name, values := range s.Header {
		if !slices.Contains(hopByHop, name) {
			h[name] = values
		}
	}
	c.Status(s.Status)
	_, _ = c.Writer.Write(s.Body) // whoever went away needs no answer
	if s.Err != nil {
		c.Writer.Flush()
		panic(http.ErrAbortHandler) // the rest did not come
	}
}
