package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"captchagate/policy"
)

const (
	defaultScene = "default"
	unknownScene = "is not a configured scene"
	maxSubject   = 256
	maxScene     = 128
)

// reading is a request's body as it is being read, and what is wrong in it.
type reading struct {
	given    map[string]bool
	strings  map[string]string
	appID    *uint64
	mistakes []badField
}

// stringFields are the fields of POST /v1/verify whose value is a string.
var stringFields = map[string]bool{
	"ticket": true, "randstr": true, "challenge": true, "user_ip": true,
	"scene": true, "type": true, "subject": true, "reference": true,
}

// ofUser are the fields whose value a user controls: nothing in them is the
// backend's mistake.
var ofUser = map[string]bool{"ticket": true, "randstr": true, "challenge": true}

// read turns a body into a request, or lists everything wrong in it.
func (g *Gateway) read(body []byte) (policy.Request, []badField) {
	rd := reading{given: make(map[string]bool, 8), strings: make(map[string]string, 8)}
	if err := rd.scan(body); err != nil {
		return policy.Request{}, append(rd.mistakes, badField{"body", syntaxOf(err)})
	}
	r := g.build(&rd)
	return r, rd.mistakes
}

func (rd *reading) wrong(field, format string, args ...any) {
	rd.mistakes = append(rd.mistakes, badField{field, fmt.Sprintf(format, args...)})
}

// scan reads the object's members. Its error is one of syntax, behind which
// nothing can be read.
func (rd *reading) scan(body []byte) error {
	if !utf8.Valid(body) {
		return errNotUTF8
	}
	// Half a surrogate pair, as \ud800, is not valid Unicode but valid JSON, and
	// a user may have put it there: member judges it.
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if dec.PeekKind() != '{' {
		if _, err := dec.ReadValue(); err != nil {
			return err
		}
		return errNoObject
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		field := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		rd.member(field, value)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}

var (
	errNoObject = errors.New("must be a JSON object")
	errTrailing = errors.New("goes on after the JSON object")
	errNotUTF8  = errors.New("is not valid UTF-8")
)

// member takes one field. A null is not a value of any of them.
func (rd *reading) member(field string, value jsontext.Value) {
	switch {
	case !stringFields[field] && field != "captcha_app_id":
		rd.wrong(shorten(field), "is not a field of this request")
		return
	case rd.given[field]:
		rd.wrong(field, "stands there twice")
		return
	}
	rd.given[field] = true
	if field == "captcha_app_id" {
		id, err := strconv.ParseUint(string(value), 10, 64)
		if err != nil {
			rd.wrong(field, "must be a whole number")
			return
		}
		rd.appID = &id
		return
	}
	if value.Kind() != '"' {
		rd.wrong(field, "must be a string")
		return
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil && !ofUser[field] {
		rd.wrong(field, "must be a string of valid Unicode")
		return
	}
	rd.strings[field] = string(text)
}

// build checks what the backend wrote and leaves alone what the user did.
func (g *Gateway) build(rd *reading) policy.Request {
	r := policy.Request{Scene: defaultScene}
	if rd.given["ticket"] == rd.given["challenge"] {
		rd.wrong("ticket", "send exactly one of ticket and challenge")
	}
	if rd.given["challenge"] {
		solution := rd.strings["challenge"]
		r.Solution = &solution
	}
	t := &r.Ticket
	t.Value, t.Randstr, t.Subject = rd.strings["ticket"], rd.strings["randstr"], rd.strings["subject"]
	t.UserIP = rd.userIP()
	if rd.given["scene"] {
		r.Scene = rd.strings["scene"]
	}
	if _, ok := g.policy.Scene(r.Scene); !ok && !rd.unread("scene") {
		rd.wrong("scene", unknownScene)
	}
	r.Reference = rd.strings["reference"]
	for _, field := range []string{"subject", "reference"} {
		if len(rd.strings[field]) > maxSubject {
			rd.wrong(field, "is longer than %d bytes", maxSubject)
		}
	}
	switch kind, given := rd.strings["type"]; {
	case kind == "mini":
		t.Mini = true
	case given && kind != "web":
		rd.wrong("type", "must be web or mini")
	}
	t.AppID = g.app(rd)
	return r
}

// unread reports whether a field's value had the wrong type, which was told.
func (rd *reading) unread(field string) bool {
	_, read := rd.strings[field]
	return rd.given[field] && !read
}

func (rd *reading) userIP() netip.Addr {
	if !rd.given["user_ip"] {
		rd.wrong("user_ip", "is required: the end user's IP address")
	}
	if _, read := rd.strings["user_ip"]; !read {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(rd.strings["user_ip"])
	if err != nil || ip.Zone() != "" {
		rd.wrong("user_ip", "must be an IPv4 or IPv6 address")
	}
	return ip
}

// app is the app that the request names, or the only one.
func (g *Gateway) app(rd *reading) uint64 {
	apps := g.cfg.Upstream.Apps
	if !rd.given["captcha_app_id"] {
		if len(apps) > 1 && !rd.given["challenge"] {
			rd.wrong("captcha_app_id", "is required where several apps are configured")
		}
		return apps[0].CaptchaAppID
	}
	if rd.appID == nil {
		return 0 // told already
	}
	for _, app := range apps {
		if app.CaptchaAppID == *rd.appID {
			return app.CaptchaAppID
		}
	}
	rd.wrong("captcha_app_id", "is not a configured app")
	return 0
}

// syntaxOf says what is wrong with a body without repeating any of it.
func syntaxOf(err error) string {
	if errors.Is(err, errNoObject) || errors.Is(err, errTrailing) || errors.Is(err, errNotUTF8) {
		return err.Error()
	}
	if at, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Sprintf("is not valid JSON near byte %d", at.ByteOffset)
	}
	return "is not valid JSON"
}

// shorten keeps an unknown field's name fit to be repeated.
func shorten(field string) string {
	if field == "" {
		return `""`
	}
	if len(field) > maxScene {
		field = field[:maxScene] + "…"
	}
	return strings.ToValidUTF8(field, "?")
}
