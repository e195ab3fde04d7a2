package public

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"captchagate/api"
	"captchagate/policy"
)

const (
	defaultScene = "default"
	unknownScene = "is not a configured scene"
	maxSubject   = 256 // bytes, of a reference too
	// noTicket begins what is presented as a ticket and can be none: no ticket has
	// this byte, so that it is decided and never sent to the API.
	noTicket = "\x00"
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
func (s *Server) read(body []byte, who *caller) (r policy.Request, wrong api.Mistakes, unreadable bool) {
	var rd reading
	switch err := api.ReadObject(body, &rd.verifyBody); {
	case errors.Is(err, api.ErrTooDeep):
		return r, nil, true
	case err != nil:
		return r, api.Mistakes{{Field: "body", Detail: err.Error()}}, false
	}
	r.Ticket.Value, r.Ticket.Randstr, r.Solution = rd.ofUser()
	if r.Ticket.Value == "" && r.Solution == nil {
		s.log.Warn("a request brings neither ticket nor challenge; its user is rejected")
	}
	r.Ticket.UserIP = userIP(&rd.wrong, "user_ip", rd.UserIP)
	r.Scene = s.scene(&rd.wrong, rd.Scene, defaultScene, who)
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
	ticket = issued(&rd.wrong, "ticket", rd.Ticket)
	randstr = issued(&rd.wrong, "randstr", rd.Randstr)
	solved := rd.wrong.Foreign("challenge", rd.Challenge)
	if ticket != "" && solved != "" {
		rd.wrong.Add("ticket", "send one of ticket and challenge, not both")
	}
	if ticket == "" && rd.Challenge.Given() {
		solution = &solved
	}
	return ticket, randstr, solution
}

// issued is what the vendor's script gave to the user's browser: always a string.
// The JSON of anything else is marked as no ticket.
func issued(wrong *api.Mistakes, field string, m api.Member) string {
	text := wrong.Foreign(field, m)
	if text != "" && !m.IsString() {
		return noTicket + text
	}
	return text
}

// userIP is the end user's address, as the field of that name has it.
func userIP(wrong *api.Mistakes, field string, m api.Member) netip.Addr {
	text, ok := wrong.Text(field, m)
	if !m.Given() {
		wrong.Add(field, "is required: the end user's IP address")
	}
	if !ok {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		wrong.Add(field, "must be an IPv4 or IPv6 address")
	}
	return ip
}

// scene is the scene that the request names, or else usual.
func (s *Server) scene(wrong *api.Mistakes, m api.Member, usual string, who *caller) string {
	name, ok := wrong.Text("scene", m)
	if !m.Given() {
		name, ok = usual, true
	}
	_, known := s.decider.Scene(name)
	switch {
	case !ok || known:
	case m.Given():
		wrong.Add("scene", unknownScene+"; "+s.scenesOf(who))
	case len(who.scenes) > 0:
		wrong.Add("scene", "is required: "+s.scenesOf(who))
	default:
		wrong.Add("scene", "is required: no scene is called default; "+s.scenesOf(who))
	}
	return name
}

// maxScenes bounds how many scenes an answer lists.
const maxScenes = 20

// scenesOf says which scenes the caller may ask about.
func (s *Server) scenesOf(who *caller) string {
	what, names := "the key's scenes are ", who.scenes
	if len(names) == 0 {
		what, names = "the scenes are ", s.decider.Scenes()
	}
	if more := len(names) - maxScenes; more > 0 {
		return fmt.Sprintf("%s%s and %d more", what, strings.Join(names[:maxScenes], ", "), more)
	}
	return what + strings.Join(names, ", ")
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
