package public

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/once"
	"captchagate/policy"
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
	who, ok := s.authenticate(c)
	if !ok {
		return
	}
	body, tooLong, ok := jsonBody(c)
	if !ok {
		return
	}
	if tooLong {
		s.rejectUnread(c, who)
		return
	}
	r, mistakes, unreadable := s.read(body)
	if unreadable {
		s.rejectUnread(c, who)
		return
	}
	key, given, mistake := idempotencyKey(c.Request.Header)
	if mistake != "" {
		mistakes.Add("Idempotency-Key", mistake)
	}
	if len(mistakes) > 0 {
		refuse(c, http.StatusBadRequest, "the request is not as POST /v1/verify takes it", mistakes...)
		return
	}
	if !who.may(r.Scene) {
		refuse(c, http.StatusForbidden, "this key may not ask about this scene; see api_keys", api.Mistake{Field: "scene", Detail: "not one of the key's scenes"})
		return
	}
	if !given {
		s.answer(c, s.decider.Decide(c.Request.Context(), r))
		return
	}
	s.verifyOnce(c, who, key, r)
}

// rejectUnread decides about a user whose backend's request is too long or too deep
// to be read: only what the user sent can make it so.
func (s *Server) rejectUnread(c *gin.Context, who *caller) {
	s.answer(c, s.decider.Decide(c.Request.Context(), policy.Request{Scene: who.anyScene()}))
}

// verifyOnce gives a repeated request the answer of the first: the same caller, key
// and fields of the backend's own. With another ticket, randstr or challenge it is a
// new question. It decides even if its own caller goes away: that caller asks again
// to learn what came of it.
func (s *Server) verifyOnce(c *gin.Context, who *caller, key string, r policy.Request) {
	ctx := c.Request.Context()
	own, ofUser := question(r)
	var d policy.Decision
	var replayed bool
	_, _, err := s.keys.Do(ctx, who.name, key, own, func() struct{} { return struct{}{} })
	if err == nil {
		d, replayed, err = s.answers.Do(ctx, who.name, key+"\n"+ofUser, own, func() policy.Decision {
			return s.decider.Decide(context.WithoutCancel(ctx), r)
		})
	}
	switch {
	case errors.Is(err, once.ErrOtherBody):
		refuse(c, http.StatusConflict, "the Idempotency-Key was used for another request; choose a new one for each request")
		return
	case err != nil:
		c.Abort() // the caller went away while another of its requests decided
		return
	case replayed:
		c.Header("Idempotent-Replay", "true")
		s.decider.Repeat(r.Scene, d)
	}
	s.answer(c, d)
}

// question returns what the backend itself asks, and what it hands on of the user's.
func question(r policy.Request) (own []byte, ofUser string) {
	own = fmt.Appendf(nil, "%q %v %v %q %q %d", r.Scene, r.Ticket.UserIP.Unmap(), r.Ticket.Mini, r.Ticket.Subject, r.Reference, r.Ticket.AppID)
	if r.Solution != nil {
		return own, "challenge " + *r.Solution
	}
	return own, fmt.Sprintf("ticket %q %q", r.Ticket.Value, r.Ticket.Randstr)
}

func (s *Server) answer(c *gin.Context, d policy.Decision) {
	s.incidents.CountDecision(d.Action.String(), string(d.Cause))
	body, err := d.AppendJSON(make([]byte, 0, usualAnswer))
	if err != nil {
		panic(err) // all fields are our own
	}
	c.Writer.Header()["Content-Type"] = jsonType
	c.Status(http.StatusOK)
	_, _ = c.Writer.Write(append(body, '\n')) // whoever went away needs no answer
}

// jsonBody reads the body, or refuses it by its type. One over maxBody is tooLong
// and not kept.
func jsonBody(c *gin.Context) (body []byte, tooLong, ok bool) {
	if !isJSON(c.GetHeader("Content-Type")) {
		refuse(c, http.StatusUnsupportedMediaType, "send Content-Type: application/json (UTF-8)")
		return nil, false, false
	}
	body, err := readBody(c)
	if c.Request.ContentLength > maxBody || len(body) > maxBody {
		// Its sender gets to write a good deal more, and then reads the answer.
		_, _ = io.CopyN(io.Discard, c.Request.Body, maxDiscarded)
		return nil, true, true
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, "the body could not be read to its end", api.Mistake{Field: "body", Detail: "ended early"})
		return nil, false, false
	}
	return body, false, true
}

// readBody reads a body, of which the server gives no more than was announced, up
// to a little more than maxBody.
func readBody(c *gin.Context) ([]byte, error) {
	if n := c.Request.ContentLength; n >= 0 && n <= usualBody {
		body := make([]byte, n)
		_, err := io.ReadFull(c.Request.Body, body)
		return body, err
	}
	// What is announced need not come: its room is not made beforehand.
	return io.ReadAll(io.LimitReader(c.Request.Body, maxBody+1))
}

// isJSON reports whether a Content-Type is JSON in UTF-8.
func isJSON(kind string) bool {
	if kind == "application/json" { // nearly always; parsing costs a map
		return true
	}
	media, params, err := mime.ParseMediaType(kind)
	return err == nil && media == "application/json" && (params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
}

// idempotencyKey reads the header; mistake says what is wrong with it.
func idempotencyKey(h http.Header) (key string, given bool, mistake string) {
	values := h.Values("Idempotency-Key")
	switch {
	case len(values) == 0:
		return "", false, ""
	case len(values) > 1:
		return "", false, "must be sent once"
	case !plainHeader(values[0], maxIdempotency):
		return "", false, "must be 1 to 128 printable ASCII characters"
	}
	return values[0], true, ""
}
