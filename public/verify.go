package public

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/watch"
)

const (
	maxBody        = 64 << 10
	maxDiscarded   = 4 << 20 // bytes of a body that is too long
	maxIdempotency = 128
	// usualBody and usualAnswer are the bytes that nearly all bodies and answers
	// fit into, so that their room need not grow.
	usualBody   = 4 << 10
	usualAnswer = 512
)

// verify answers POST /v1/verify. The order of its refusals is part of the
// contract: method, key, content type, the body (an unknown scene is one of its
// mistakes), and last a scene that is not the key's. A body that is too long is
// no reason to refuse: it is decided, and denied.
func (s *Server) verify(c *gin.Context) {
	began := time.Now()
	who, ok := s.authenticate(c)
	if !ok {
		return
	}
	body, tooLong, ok := s.jsonBody(c)
	if !ok {
		return
	}
	if tooLong {
		s.rejectUnread(c, who, began, fmt.Sprintf("the body is longer than %d bytes, and was not read", maxBody))
		return
	}
	r, mistakes, unreadable := s.read(body, who)
	if unreadable {
		s.rejectUnread(c, who, began, "the body is nested too deeply to be read")
		return
	}
	key, mistake := idempotencyKey(c.Request.Header)
	if mistake != "" {
		mistakes.Add("Idempotency-Key", mistake)
	}
	if len(mistakes) > 0 {
		c.Set(callerKey, who.name)
		refuse(c, http.StatusBadRequest, "the request is not as POST /v1/verify takes it", mistakes...)
		return
	}
	if !who.may(r.Scene) {
		c.Set(callerKey, who.name)
		refuse(c, http.StatusForbidden, "this key may not ask about this scene; see api_keys", api.Mistake{Field: "scene", Detail: "must be one of the key's scenes: " + strings.Join(who.scenes, ", ")})
		return
	}
	a := asked{by: who, scene: r.Scene, of: r.Ticket, began: began}
	switch d, err := s.decide(c, &a, key, r); {
	case err == nil:
		s.answer(c, a, d)
	case errors.Is(err, once.ErrOtherBody):
		c.Set(callerKey, who.name)
		refuse(c, http.StatusConflict, otherRequest)
	default:
		c.Abort() // the caller went away while another of its requests decided
	}
}

const otherRequest = "the Idempotency-Key was used for another request; choose a new one for each request"

// rejectUnread decides about a user whose backend's request is too long or too deep
// to be read: only what the user sent can make it so. Its scene is not known.
func (s *Server) rejectUnread(c *gin.Context, who *caller, began time.Time, why string) {
	d := s.decider.Decide(c.Request.Context(), policy.Request{Scene: who.anyScene()})
	d.Why = why
	s.answer(c, asked{by: who, began: began}, d)
}

// decide decides, or gives a repeated request the answer of the first: the same caller,
// key and fields of the backend's own. With another ticket, randstr or challenge it is a
// new question. With a key it decides even if its own caller goes away: that caller asks
// again to learn what came of it. The key "" is none. The error is once.ErrOtherBody or
// the context's.
func (s *Server) decide(c *gin.Context, a *asked, key string, r policy.Request) (d policy.Decision, err error) {
	ctx := c.Request.Context()
	if key == "" {
		return s.decider.Decide(ctx, r), nil
	}
	d, a.replay, err = s.questions.Do(ctx, question(a.by.name, key, r), func() policy.Decision {
		return s.decider.Decide(context.WithoutCancel(ctx), r)
	})
	if err == nil && a.replay {
		c.Header("Idempotent-Replay", "true")
		s.decider.Repeat(ctx, r.Scene, d)
	}
	return d, err
}

// question is what a caller asks under a key: what the backend itself says, and what it
// hands on of the user's.
func question(caller, key string, r policy.Request) once.Question {
	q := once.Question{
		Caller: caller, Key: key, OfUser: fmt.Sprintf("ticket %q %q", r.Ticket.Value, r.Ticket.Randstr),
		Own: fmt.Appendf(nil, "%q %v %v %q %q %d", r.Scene, r.Ticket.UserIP.Unmap(), r.Ticket.Mini, r.Ticket.Subject, r.Reference, r.Ticket.AppID),
	}
	if r.Solution != nil {
		q.OfUser = "challenge " + *r.Solution
	}
	return q
}

// note writes down what was decided.
func (s *Server) note(c *gin.Context, a asked, d policy.Decision) {
	s.lines.decision(c, a, d)
	s.count(a.scene, d)
}

// count counts what a user got.
func (s *Server) count(scene string, d policy.Decision) {
	s.answers.CountAnswer(watch.Answer{
		Scene: scene, Decision: d.Action.String(), Cause: string(d.Cause),
		Degraded: d.Mode == policy.ModeDegraded, Solved: d.Reason == policy.ReasonChallengeSolved,
	})
}

func (s *Server) answer(c *gin.Context, a asked, d policy.Decision) {
	s.note(c, a, d)
	body, err := d.AppendJSON(make([]byte, 0, usualAnswer))
	if err != nil {
		panic(err) // all fields are our own
	}
	c.Writer.Header()["Content-Type"] = jsonType
	c.Status(http.StatusOK)
	_, _ = c.Writer.Write(append(body, '\n')) // whoever went away needs no answer
}

// jsonBody reads the body, or refuses it by its type.
func (s *Server) jsonBody(c *gin.Context) (body []byte, tooLong, ok bool) {
	if !isJSON(c.GetHeader("Content-Type")) {
		refuse(c, http.StatusUnsupportedMediaType, "send Content-Type: application/json (UTF-8)")
		return nil, false, false
	}
	body, tooLong, err := s.body(c)
	if err != nil {
		refuse(c, http.StatusBadRequest, "the body could not be read to its end", api.Mistake{Field: "body", Detail: endedEarly})
	}
	return body, tooLong, err == nil
}

const endedEarly = "ended early"

// body reads the body. Of one over maxBody, which is tooLong, no more than that is kept.
func (s *Server) body(c *gin.Context) (body []byte, tooLong bool, err error) {
	body, err = s.readBody(c)
	if c.Request.ContentLength > maxBody || len(body) > maxBody {
		// Its sender gets to write a good deal more, and then reads the answer.
		_, _ = io.CopyN(io.Discard, c.Request.Body, maxDiscarded)
		return body[:min(len(body), maxBody)], true, nil
	}
	return body, false, err
}

// readBody reads a body, of which the server gives no more than was announced, up
// to a little more than maxBody. What is announced need not come: the room for a
// long one is not made beforehand, and is bounded.
func (s *Server) readBody(c *gin.Context) ([]byte, error) {
	if n := c.Request.ContentLength; n >= 0 && n <= usualBody {
		body := make([]byte, n)
		_, err := io.ReadFull(c.Request.Body, body)
		return body, err
	}
	first, err := io.ReadAll(io.LimitReader(c.Request.Body, usualBody))
	if err != nil || len(first) < usualBody {
		return first, err
	}
	defer s.long.begin(c.Writer)()
	return io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(first), c.Request.Body), maxBody+1))
}

// isJSON reports whether a Content-Type is JSON in UTF-8.
func isJSON(kind string) bool {
	if kind == "application/json" { // nearly always; parsing costs a map
		return true
	}
	media, params, err := mime.ParseMediaType(kind)
	return err == nil && media == "application/json" && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
}

// idempotencyKey reads the header, "" if there is none; mistake says what is wrong with
// it.
func idempotencyKey(h http.Header) (key, mistake string) {
	values := h.Values("Idempotency-Key")
	switch {
	case len(values) == 0:
		return "", ""
	case len(values) > 1:
		return "", "must be sent once"
	case !plainHeader(values[0], maxIdempotency):
		return "", wrongKey
	}
	return values[0], ""
}

const wrongKey = "must be 1 to 128 printable ASCII characters"
