package policy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"captchagate/captcha"
)

// clockSkew is how far a browser's clock may be ahead of ours.
const clockSkew = time.Minute

// disaster decides about a disaster ticket, which anybody can mint. It takes
// the scene's action only if we know for ourselves that the script is away
// or an operator says so; else the stricter of that and what is configured. It
// is never sent to the API.
func (p *Policy) disaster(ctx context.Context, s *scene, r Request) Decision {
	t, ok := captcha.ParseDisaster(r.Ticket.Value)
	if !ok {
		p.metrics.disaster(unknownForm, false, Deny)
		return rejectedUnasked("it claims to be a disaster ticket and has none of their forms")
	}
	held := p.disasterKey(r.Ticket, t)
	corroborated := p.scriptAway(s, r) && p.plausible(t) && !p.ports.Ledger.Seen(held)
	fb := p.uncorroborated(s)
	if corroborated {
		action := max(s.Degraded, Action(p.rules.Load().Disaster.WhenCorroborated))
		fb = fallback{cause: captcha.CauseDisasterTicket, action: action, held: held}
	}
	d := p.degraded(ctx, s, r, fb)
	p.metrics.disaster(string(t.Form), corroborated, d.Action)
	return d
}

// uncorroborated is what a disaster ticket gets that nothing corroborates.
func (p *Policy) uncorroborated(s *scene) fallback {
	return fallback{
		cause: captcha.CauseDisasterTicket, action: max(s.Degraded, Challenge, Action(p.rules.Load().Disaster.Otherwise)),
		dear: true, why: "a disaster ticket that nothing corroborates",
	}
}

// scriptAway reports whether the page's script is known to be away, or an
// operator says so of this user.
func (p *Policy) scriptAway(s *scene, r Request) bool {
	return p.ports.Situation.ScriptDown() || p.ports.Situation.Forced(s.name, r.Ticket) == ForceDegraded
}

// plausible reports whether what the ticket says of itself could be true.
func (p *Policy) plausible(t captcha.DisasterTicket) bool {
	if !captcha.KnownErrorCode(t.Code) {
		return false
	}
	if _, ours := p.rules.Load().Apps[t.AppID]; t.AppID != 0 && !ours {
		return false
	}
	if t.At.IsZero() {
		return false // nobody can tell how old it is
	}
	age := time.Since(t.At)
	return age <= p.rules.Load().Disaster.MaxAge && age >= -clockSkew
}

// disasterKey names what one user can hold of an app in one minute. All else in
// a disaster ticket can be written anew at will and makes no other one of it:
// code, form, randstr, a fifth part, the second. It is keyed, for there are so few
// addresses that trying all would tell whose a plain hash is, where a fleet shares it.
func (p *Policy) disasterKey(held captcha.Ticket, t captcha.DisasterTicket) captcha.Key {
	mac := hmac.New(sha256.New, p.holding)
	fmt.Fprintf(mac, "%v\x00%d\x00%d\x00%s", held.Household(), held.AppID, t.At.Unix()/60, held.Subject)
	return captcha.Key(mac.Sum(nil)[:len(captcha.Key{})])
}
