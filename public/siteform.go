package public

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"captchagate/api"
)

// member is the field of that name, nil where there is none.
func (b *siteBody) member(name string) *api.Member {
	switch name {
	case "secret":
		return &b.Secret
	case "response":
		return &b.Response
	case "ticket":
		return &b.Ticket
	case "randstr":
		return &b.Randstr
	case "remoteip":
		return &b.RemoteIP
	case "scene":
		return &b.Scene
	case "idempotency_key":
		return &b.Key
	}
	return nil
}

func (b *siteBody) set(name, value string) {
	if m := b.member(name); m != nil {
		m.SetText(value)
	}
}

// siteBody reads the body into b, or says what is wrong with it. Unread is one that is
// too long or too deep, of which b has what came first: only what the user sent can
// make it so.
func (s *Server) siteBody(c *gin.Context, b *siteBody) (unread bool, wrong api.Mistakes) {
	read := siteReader(c.Request.Header["Content-Type"])
	if read == nil {
		return false, api.Mistakes{{Field: "Content-Type", Detail: "must be application/x-www-form-urlencoded, multipart/form-data or application/json, in UTF-8"}}
	}
	body, tooLong, err := s.body(c)
	if err != nil {
		return false, api.Mistakes{{Field: "body", Detail: endedEarly}}
	}
	err = read(body, b)
	switch {
	case tooLong || errors.Is(err, api.ErrTooDeep):
		return true, nil
	case err != nil:
		return false, api.Mistakes{{Field: "body", Detail: err.Error()}}
	}
	return false, nil
}

// A bodyReader reads a body, what comes before a mistake in any case.
type bodyReader func(body []byte, b *siteBody) error

// siteReader is how a body of the type is read; nil: it is none of ours.
func siteReader(kinds []string) bodyReader {
	if len(kinds) != 1 {
		return nil
	}
	if kinds[0] == formType { // nearly always; parsing costs a map
		return readForm
	}
	media, params, err := mime.ParseMediaType(kinds[0])
	switch {
	case err != nil || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8"):
		return nil
	case media == formType:
		return readForm
	case media == "application/json":
		return func(body []byte, b *siteBody) error { return api.ReadObject(body, b) }
	case media == "multipart/form-data":
		return func(body []byte, b *siteBody) error { return readParts(body, params["boundary"], b) }
	}
	return nil
}

const formType = "application/x-www-form-urlencoded"

// readForm cannot fail: what is escaped wrongly stands for itself.
func readForm(body []byte, b *siteBody) error {
	for pair := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(pair, "=")
		b.set(unescaped(name), unescaped(value))
	}
	return nil
}

func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

var errNoParts = errors.New("is not multipart/form-data of this boundary")

// readParts reads what FormData of a browser or a worker sends. Files are not fields.
func readParts(body []byte, boundary string, b *siteBody) error {
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errNoParts
		}
		value, err := io.ReadAll(part) // of a body that is bounded
		if err != nil {
			return errNoParts
		}
		if part.FileName() == "" {
			b.set(part.FormName(), string(value))
		}
	}
}

// packed is what the page script packs into the field captcha-response: a ticket.
// A solution of the alternate challenge is such an object too, with other members.
type packed struct {
	Version   api.Member `json:"v"`
	Ticket    api.Member `json:"ticket"`
	Randstr   api.Member `json:"randstr"`
	AppID     api.Member `json:"captcha_app_id"`
	Challenge api.Member `json:"challenge"`
	Rest      api.Rest   `json:",embed"`
}

// unpack reads a response that is a JSON object or base64 of one, in either alphabet,
// and holds a ticket or a challenge.
func unpack(response string) (p packed, ok bool) {
	text := []byte(response)
	if !strings.HasPrefix(response, "{") {
		encoding := base64.RawURLEncoding
		if strings.ContainsAny(response, "+/") {
			encoding = base64.RawStdEncoding
		}
		var err error
		if text, err = encoding.DecodeString(strings.TrimRight(response, "=")); err != nil {
			return p, false
		}
	}
	err := api.ReadObject(text, &p)
	return p, err == nil && p.Ticket.Given() != p.Challenge.Given()
}
