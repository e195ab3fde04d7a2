package simulator

import (
	"slices"
	"strings"
	"time"
)

// The kinds of ticket that Issue knows.
const (
	TicketValid   = "valid"   // passes once
	TicketExpired = "expired" // CaptchaCode 8
	TicketUsed    = "used"    // CaptchaCode 9
	TicketForged  = "forged"  // CaptchaCode 15
	TicketEvil    = "evil"    // CaptchaCode 1 at EvilLevel 100, once
)

// MaxIssue is the largest number of tickets in one order.
const MaxIssue = 100_000

// An Order asks for tickets.
type Order struct {
	Kind  string // one of the Ticket kinds; "" = TicketValid
	Type  string // "web" or "mini": which action verifies them; "" = "web"
	AppID uint64 // one of Config.Apps; 0 = the one of the lowest id
	Count int    // 1 to MaxIssue
}

var ticketKinds = []string{TicketValid, TicketExpired, TicketUsed, TicketForged, TicketEvil}

// TicketKinds lists every kind of ticket.
func TicketKinds() []string { return slices.Clone(ticketKinds) }

// Issue returns n tickets of a kind for the web action and the first app. The
// error says what is wrong with the order.
func (s *Simulator) Issue(kind string, n int) ([]Ticket, error) {
	return s.IssueOrder(Order{Kind: kind, Count: n})
}

// IssueOrder returns the tickets of o; the error lists what is wrong with it.
func (s *Simulator) IssueOrder(o Order) ([]Ticket, error) {
	o = s.withDefaults(o)
	if err := s.checkOrder(o); err != nil {
		return nil, err
	}
	t := ticket{kind: kindValid, action: typeWeb, appID: o.AppID, issued: time.Now()}
	if o.Type == "mini" {
		t.action = typeMini
	}
	switch o.Kind {
	case TicketExpired:
		t.issued = t.issued.Add(-TicketLife - time.Minute)
	case TicketUsed:
		t.kind = kindUsed
	case TicketEvil:
		t.kind = kindEvil
	}
	out := make([]Ticket, o.Count)
	for i := range out {
		t.id = s.random.next()
		out[i] = s.seal(t, o.Kind == TicketForged)
	}
	s.stats.issue(o.Count)
	return out, nil
}

// withDefaults is o with its defaults.
func (s *Simulator) withDefaults(o Order) Order {
	if o.Kind == "" {
		o.Kind = TicketValid
	}
	if o.AppID == 0 {
		o.AppID = s.cfg.firstApp()
	}
	return o
}

func (s *Simulator) checkOrder(o Order) error {
	var m mistakes
	if !slices.Contains(ticketKinds, o.Kind) {
		m.add("kind", "must be one of %s, is %q", strings.Join(ticketKinds, ", "), o.Kind)
	}
	if o.Type != "" && o.Type != "web" && o.Type != "mini" {
		m.add("type", "must be web or mini, is %q", o.Type)
	}
	if _, ours := s.cfg.Apps[o.AppID]; !ours {
		m.add("captcha_app_id", "%d is not an app of this simulator", o.AppID)
	}
	if o.Count < 1 || o.Count > MaxIssue {
		m.add("count", "must be between 1 and %d, is %d", MaxIssue, o.Count)
	}
	return m.err()
}
