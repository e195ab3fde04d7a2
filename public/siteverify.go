package public

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/captcha"
	"captchagate/once"
	"captchagate/policy"
)

// siteBody is what POST /siteverify takes. Response, ticket and randstr come from the
// user's browser, the rest is the backend's own. Libraries send more, which is not
// looked at.
type siteBody struct {
	Secret   api.Member `json:"secret"`
	Response api.Member `json:"response"`
	Ticket   api.Member `json:"ticket"`
	Randstr  api.Member `json:"randstr"`
	RemoteIP api.Member `json:"remoteip"`
	Scene    api.Member `json:"scene"`
	Key      api.Member `json:"idempotency_key"`
	Rest     api.Rest   `json:",embed"`
}

// siteverify answers POST /siteverify, in the convention of reCAPTCHA, hCaptcha and
// Turnstile: always with 200, refusals too, since their libraries read no other answer.
// It refuses in this order: a body that cannot be read, the secret, all that is wrong in
// the fields, a scene that is not the key's.
func (s *Server) siteverify(c *gin.Context) {
	began := time.Now()
	var b siteBody
	unread, wrong := s.siteBody(c, &b)
	if wrong != nil && !unread {
		refuseSite(c, http.StatusBadRequest, "bad-request", wrong...)
		return
	}
	who, ok := s.bySecret(c, &b, unread)
	if !ok {
		return
	}
	if unread {
		a := asked{by: who, scene: who.anyScene(), began: began}
		s.answerSite(c, a, s.decider.Decide(c.Request.Context(), policy.Request{Scene: a.scene}), true)
		return
	}
	c.Set(callerKey, who.name)
	r, key, wrong := s.readSite(&b, who)
	if len(wrong) > 0 {
		refuseSite(c, http.StatusBadRequest, "bad-request", wrong...)
		return
	}
	if !who.may(r.Scene) {
		refuseSite(c, http.StatusForbidden, "bad-request", api.Mistake{Field: "scene", Detail: "must be one of the key's scenes: " + strings.Join(who.scenes, ", ")})
		return
	}
	a := asked{by: who, scene: r.Scene, of: r.Ticket, began: began}
	switch d, err := s.decide(c, &a, key, r); {
	case err == nil:
		s.answerSite(c, a, d, r.Ticket.Value != "" || r.Solution != nil)
	case errors.Is(err, once.ErrOtherBody):
		refuseSite(c, http.StatusConflict, "bad-request", api.Mistake{Field: "idempotency_key", Detail: otherRequest})
	default:
		c.Abort() // the caller went away while another of its requests decided
	}
}

// bySecret finds the caller by the secret, or refuses the request. Of a body that could
// not be read to its end the secret may be among what was not read.
func (s *Server) bySecret(c *gin.Context, b *siteBody, unread bool) (*caller, bool) {
	var wrong api.Mistakes
	secret, ok := wrong.Text("secret", b.Secret)
	who, known := s.callers.Load().find(secret)
	switch {
	case len(wrong) > 0:
		refuseSite(c, http.StatusUnauthorized, "invalid-input-secret", wrong...)
	case known:
		if who != anybody {
			s.vouch(c.Request.Context())
		}
		return who, true
	case ok && secret != "":
		refuseSite(c, http.StatusUnauthorized, "invalid-input-secret", api.Mistake{Field: "secret", Detail: "must be a key of api_keys"})
	case unread:
		refuseSite(c, http.StatusRequestEntityTooLarge, "invalid-input-response", api.Mistake{Field: "body", Detail: "is longer than 64 KiB, or nested too deeply"})
	default:
		refuseSite(c, http.StatusUnauthorized, "missing-input-secret", api.Mistake{Field: "secret", Detail: "is required: a key of api_keys"})
	}
	return nil, false
}

// readSite turns a body into a request, or lists everything wrong in it.
func (s *Server) readSite(b *siteBody, who *caller) (r policy.Request, key string, wrong api.Mistakes) {
	r.Ticket, r.Solution = s.presented(b, &wrong)
	if r.Ticket.Value == "" && r.Solution == nil {
		s.log.Warn("a request brings neither response nor ticket; its user is rejected")
	}
	r.Ticket.UserIP = userIP(&wrong, "remoteip", b.RemoteIP)
	usual := defaultScene
	if len(who.scenes) == 1 {
		usual = who.scenes[0]
	}
	r.Scene = s.scene(&wrong, b.Scene, usual, who)
	key, ok := wrong.Text("idempotency_key", b.Key)
	if ok && !plainHeader(key, maxIdempotency) {
		wrong.Add("idempotency_key", wrongKey)
	}
	r.Ticket = r.Ticket.Named()
	return r, key, wrong
}

// presented is what the user's browser sent: a ticket or a solution. Response counts;
// only beside an empty one do the two fields that Tencent's own script fills in.
func (s *Server) presented(b *siteBody, wrong *api.Mistakes) (t captcha.Ticket, solution *string) {
	response := wrong.Foreign("response", b.Response)
	ticket, randstr := issued(wrong, "ticket", b.Ticket), issued(wrong, "randstr", b.Randstr)
	t.AppID = s.cfg.Apps[0]
	switch p, packed := unpack(response); {
	case response == "":
		t.Value, t.Randstr = ticket, randstr
	case captcha.LooksDisaster(response):
		t.Value = response
		if d, ok := captcha.ParseDisaster(response); ok && slices.Contains(s.cfg.Apps, d.AppID) {
			t.AppID = d.AppID
		}
	case !packed:
		t.Value = noTicket + response
	case p.Challenge.Given():
		return t, &response
	default:
		s.unpacked(&p, &t)
	}
	return t, nil
}

// unpacked is the ticket that a response holds, of one of our apps. All of it is the
// user's, so nothing in it is a mistake of the backend's.
func (s *Server) unpacked(p *packed, t *captcha.Ticket) {
	var wrong api.Mistakes
	version, _ := wrong.Whole("v", p.Version)
	t.Value, t.Randstr = issued(&wrong, "ticket", p.Ticket), issued(&wrong, "randstr", p.Randstr)
	id, named := wrong.Whole("captcha_app_id", p.AppID)
	if named {
		t.AppID = id
	}
	if len(wrong) > 0 || version != 1 || !named && len(s.cfg.Apps) > 1 || !slices.Contains(s.cfg.Apps, t.AppID) {
		t.Value, t.AppID = noTicket+t.Value, s.cfg.Apps[0]
	}
}

// answerSite writes the answer; presented says whether there was anything to decide about.
func (s *Server) answerSite(c *gin.Context, a asked, d policy.Decision, presented bool) {
	s.note(c, a, d)
	writeSite(c, siteAnswer{
		Success: d.Action == policy.Allow, At: d.At().Format(siteTime), ErrorCodes: errorCodes(d, presented),
		Decision: d.Action.String(), Reason: d.Reason, Assurance: d.Assurance, Mode: d.Mode, ID: d.ID, Challenge: d.Challenge,
	})
}

// siteTime is RFC 3339 in UTC with milliseconds, as Turnstile writes it.
const siteTime = "2006-01-02T15:04:05.000Z07:00"

// refuseSite refuses in the convention's way. The line in the log and the metric have
// the status that POST /v1/verify would have answered with.
func refuseSite(c *gin.Context, status int, code string, mistakes ...api.Mistake) {
	c.Abort()
	c.Set(statusKey, status)
	c.Set(detailKey, code)
	c.Set(fieldsKey, fieldsOf(mistakes))
	told := siteAnswer{ErrorCodes: []string{code}}
	for _, m := range mistakes {
		told.Messages = append(told.Messages, m.Field+" "+m.Detail)
	}
	writeSite(c, told)
}
