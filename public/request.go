package public

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"captchagate/api"
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
	body     string
	given    [members]bool   // it stands there
	known    [members]bool   // and its value could be read
	texts    [members]string // of those that are strings
	appID    uint64
	mistakes []api.Mistake
}

// read turns a body into a request, or lists everything wrong in it.
func (s *Server) read(body []byte) (policy.Request, []api.Mistake) {
	rd := reading{body: string(body)} // once for all its texts
	if err := rd.scan(body); err != nil {
		return policy.Request{}, append(rd.mistakes, api.Mistake{Field: "body", Detail: syntaxOf(err)})
	}
	r := s.build(&rd)
	r.Ticket = r.Ticket.Named()
	return r, rd.mistakes
}

func (rd *reading) wrong(m member, detail string) {
	rd.mistakes = append(rd.mistakes, api.Mistake{Field: memberNames[m], Detail: detail})
}

// scan reads the object's members. Its error is one of syntax, behind which
// nothing can be read.
func (rd *reading) scan(body []byte) error {
	if !utf8.Valid(body) {
		return errNotUTF8
	}
	// Half a surrogate pair, as \ud800, is not valid Unicode but valid JSON, and
	// a user may have put it there: take judges it. A bytes.Buffer is read in
	// place, and not written to.
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
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
		quoted, err := dec.ReadValue()
		if err != nil {
			return err
		}
		m, unknown := nameOf(quoted)
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if m == noMember {
			rd.mistakes = append(rd.mistakes, api.Mistake{Field: unknown, Detail: "is not a field of this request"})
			continue
		}
		rd.take(m, value, dec.InputOffset())
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

// nameOf says which member a name is, or how to tell of one that is none.
func nameOf(quoted jsontext.Value) (m member, unknown string) {
	if m = memberOf(quoted[1 : len(quoted)-1]); m != noMember {
		return m, ""
	}
	name, _ := jsontext.AppendUnquote(nil, quoted)
	if m = memberOf(name); m == noMember {
		return noMember, shorten(string(name))
	}
	return m, ""
}

// take reads one member, whose value ends at end in the body. A null is not a
// value of any of them.
func (rd *reading) take(m member, value jsontext.Value, end int64) {
	if rd.given[m] {
		rd.wrong(m, "stands there twice")
		return
	}
	rd.given[m] = true
	if m == memberAppID {
		id, err := strconv.ParseUint(string(value), 10, 64)
		if err != nil {
			rd.wrong(m, "must be a whole number")
			return
		}
		rd.appID, rd.known[m] = id, true
		return
	}
	if value.Kind() != '"' {
		rd.wrong(m, "must be a string")
		return
	}
	text, err := rd.unquote(value, end)
	if err != nil && !m.ofUser() {
		rd.wrong(m, "must be a string of valid Unicode")
		return
	}
	rd.texts[m], rd.known[m] = text, true
}

// unquote returns what a JSON string of valid UTF-8 says that ends at end in the
// body. Its error is one of escapes that are no Unicode; the text has a mark in
// their place.
func (rd *reading) unquote(quoted jsontext.Value, end int64) (string, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		begin := int(end) - len(quoted)
		return rd.body[begin+1 : end-1], nil
	}
	text, err := jsontext.AppendUnquote(nil, quoted)
	return string(text), err
}

// build checks what the backend wrote and leaves alone what the user did.
func (s *Server) build(rd *reading) policy.Request {
	r := policy.Request{Scene: defaultScene}
	if rd.given[memberTicket] == rd.given[memberChallenge] {
		rd.wrong(memberTicket, "send exactly one of ticket and challenge")
	}
	if rd.given[memberChallenge] {
		solution := rd.texts[memberChallenge]
		r.Solution = &solution
	}
	t := &r.Ticket
	t.Value, t.Randstr, t.Subject = rd.texts[memberTicket], rd.texts[memberRandstr], rd.texts[memberSubject]
	t.UserIP = rd.userIP()
	if rd.given[memberScene] {
		r.Scene = rd.texts[memberScene]
	}
	if _, ok := s.decider.Scene(r.Scene); !ok && !rd.unread(memberScene) {
		rd.wrong(memberScene, unknownScene)
	}
	r.Reference = rd.texts[memberReference]
	for _, m := range [...]member{memberSubject, memberReference} {
		if len(rd.texts[m]) > maxSubject {
			rd.wrong(m, fmt.Sprintf("is longer than %d bytes", maxSubject))
		}
	}
	switch kind := rd.texts[memberType]; {
	case kind == "mini":
		t.Mini = true
	case rd.known[memberType] && kind != "web":
		rd.wrong(memberType, "must be web or mini")
	}
	t.AppID = s.app(rd)
	return r
}

// unread reports whether a member's value had the wrong type, which was told.
func (rd *reading) unread(m member) bool { return rd.given[m] && !rd.known[m] }

func (rd *reading) userIP() netip.Addr {
	if !rd.given[memberUserIP] {
		rd.wrong(memberUserIP, "is required: the end user's IP address")
	}
	if !rd.known[memberUserIP] {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(rd.texts[memberUserIP])
	if err != nil || ip.Zone() != "" {
		rd.wrong(memberUserIP, "must be an IPv4 or IPv6 address")
	}
	return ip
}

// app is the app that the request names, or the only one.
func (s *Server) app(rd *reading) uint64 {
	apps := s.cfg.Apps
	if !rd.given[memberAppID] {
		if len(apps) > 1 && !rd.given[memberChallenge] {
			rd.wrong(memberAppID, "is required where several apps are configured")
		}
		return apps[0]
	}
	if rd.unread(memberAppID) {
		return 0 // told already
	}
	if slices.Contains(apps, rd.appID) {
		return rd.appID
	}
	rd.wrong(memberAppID, "is not a configured app")
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
