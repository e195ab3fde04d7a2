package public

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"captchagate/api"
	"captchagate/policy"
)

const (
	defaultScene = "default"
	unknownScene = "is not a configured scene"
	maxSubject   = 256 // bytes, of a reference too
)

// verifyBody is the object of POST /v1/verify. Ticket, randstr and challenge
// come from the user's browser, the rest is the backend's own.
type verifyBody struct {
	Ticket    api.Member `json:"ticket"`
	Randstr   api.Member `json:"randstr"`
	Challenge api.Member `json:"challenge"`
	UserIP    api.Member `json:"user_ip"`
	Scene     api.Member `json:"scene"`
	Type      api.Member `json:"type"`
	Subject   api.Member `json:"subject"`
	Reference api.Member `json:"reference"`
	AppID     api.Member `json:"captcha_app_id"`
	Rest      api.Rest   `json:",embed"`
}

// reading is a body with everything that was found wrong in it so far.
type reading struct {
	verifyBody
	wrong api.Mistakes
}

// read turns a body into a request, or lists everything wrong in it. Nothing can be
// said about one that is unreadable because of what the user sent.
func (s *Server) read(body []byte) (r policy.Request, wrong api.Mistakes, unreadable bool) {
	var rd reading
	switch err := api.ReadObject(body, &rd.verifyBody); {
	case errors.Is(err, api.ErrTooDeep):
		return r, nil, true
	case err != nil:
		return r, api.Mistakes{{Field: "body", Detail: err.Error()}}, false
	}
	r.Ticket.Value, r.Ticket.Randstr, r.Solution = rd.ofUser()
	if r.Ticket.Value == "" && r.Solution == nil {
		s.complaints.Do(func() {
			s.log.Warn("a request brings neither ticket nor challenge; its user is rejected, further ones are not told for a minute")
		})
	}
	r.Ticket.UserIP = rd.userIP()
	r.Scene = s.scene(&rd)
	r.Ticket.Mini = rd.mini()
	r.Ticket.Subject = rd.short("subject", rd.Subject)
	r.Reference = rd.short("reference", rd.Reference)
	r.Ticket.AppID = s.app(&rd)
	rd.wrong.Unknown(rd.Rest)
	r.Ticket = r.Ticket.Named()
	return r, rd.wrong, false
}

// ofUser is what the user's browser sent. It may be anything at all and is no
// mistake of the backend's, which would let users through on one; it is decided.
func (rd *reading) ofUser() (ticket, randstr string, solution *string) {
	ticket = rd.wrong.Foreign("ticket", rd.Ticket)
	randstr = rd.wrong.Foreign("randstr", rd.Randstr)
	solved := rd.wrong.Foreign("challenge", rd.Challenge)
	if ticket != "" && solved != "" {
		rd.wrong.Add("ticket", "send one of ticket and challenge, not both")
	}
	if ticket == "" && rd.Challenge.Given() {
		solution = &solved
	}
	return ticket, randstr, solution
}

func (rd *reading) userIP() netip.Addr {
	text, ok := rd.wrong.Text("user_ip", rd.UserIP)
	if !rd.UserIP.Given() {
		rd.wrong.Add("user_ip", "is required: the end user's IP address")
	}
	if !ok {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		rd.wrong.Add("user_ip", "must be an IPv4 or IPv6 address")
	}
	return ip
}

func (s *Server) scene(rd *reading) string {
	name, ok := rd.wrong.Text("scene", rd.Scene)
	if !rd.Scene.Given() {
		name, ok = defaultScene, true
	}
	if _, known := s.decider.Scene(name); ok && !known {
		rd.wrong.Add("scene", unknownScene)
	}
	return name
}

func (rd *reading) mini() bool {
	kind, ok := rd.wrong.Text("type", rd.Type)
	if ok && kind != "web" && kind != "mini" {
		rd.wrong.Add("type", "must be web or mini")
	}
	return kind == "mini"
}

func (rd *reading) short(field string, m api.Member) string {
	text, ok := rd.wrong.Text(field, m)
	if ok && len(text) > maxSubject {
		rd.wrong.Add(field, fmt.Sprintf("is longer than %d bytes", maxSubject))
	}
	return text
}

// app is the app that the request names, or the only one.
func (s *Server) app(rd *reading) uint64 {
	id, ok := rd.wrong.Whole("captcha_app_id", rd.AppID)
	if ok && !slices.Contains(s.cfg.Apps, id) {
		rd.wrong.Add("captcha_app_id", "is not a configured app")
	}
	if rd.AppID.Given() {
		return id
	}
	if len(s.cfg.Apps) > 1 && !rd.Challenge.Given() {
		rd.wrong.Add("captcha_app_id", "is required where several apps are configured")
	}
	return s.cfg.Apps[0]
}
