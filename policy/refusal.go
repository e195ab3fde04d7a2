package policy

import (
	"crypto/sha256"
	"encoding/binary"

	"captchagate/captcha"
)

// Refusals remembers for captcha.TicketLife what the Captcha API refused
// definitely. None of its methods waits.
type Refusals interface {
	Add(k captcha.Key) (first bool)
	Has(k captcha.Key) bool
	// Forgetful reports whether something was forgotten early: what is not
	// remembered may then have been refused.
	Forgetful() bool
}

// A refusal is about the ticket itself, or about what it was presented with.
type refusal byte

const (
	refusedMalicious refusal = 'm' // EvilLevel 100
	refusedTicket    refusal = 't' // used, expired or forged
	refusedTogether  refusal = 'c' // with this randstr, app, its key, and action
)

var refusalKinds = []refusal{refusedMalicious, refusedTicket, refusedTogether}

// refusalNames are all that a refusal of t may be remembered under.
func (p *Policy) refusalNames(t captcha.Ticket) (names []captcha.Key) {
	appKey := p.rules.Load().Apps[t.AppID]
	for _, of := range refusalKinds {
		names = append(names, of.name(t, appKey))
	}
	return names
}

// refusalOf says what a verdict that is no pass is about.
func refusalOf(v captcha.Verdict) refusal {
	switch {
	case v.Outcome == captcha.Malicious:
		return refusedMalicious
	case v.Answer != nil && captcha.RefusesTicket(v.Answer.Code):
		return refusedTicket
	}
	return refusedTogether
}

// name is what a refusal of t is remembered under. A changed key of the app is
// another name, so that what was refused with the old one is forgotten.
func (of refusal) name(t captcha.Ticket, appKey [8]byte) captcha.Key {
	var room [512]byte
	b := append(room[:0], byte(of))
	key := t.Key()
	b = append(b, key[:]...)
	if of == refusedTogether {
		b = binary.BigEndian.AppendUint64(b, t.AppID)
		b = append(b, appKey[:]...)
		mini := byte(0)
		if t.Mini {
			mini = 1
		}
		b = append(append(b, mini), t.Randstr...)
	}
	sum := sha256.Sum256(b)
	return captcha.Key(sum[:16])
}

// refused returns the decision about a ticket that the API has refused before.
func (p *Policy) refused(t captcha.Ticket) (Decision, bool) {
	appKey := p.rules.Load().Apps[t.AppID]
	for _, of := range refusalKinds {
		if !p.ports.Refusals.Has(of.name(t, appKey)) {
			continue
		}
		d := rejected(nil, 0)
		if of == refusedMalicious {
			d = malicious(nil, 0)
		}
		d.Why = "the API refused this ticket before, within 5 minutes"
		return d, true
	}
	return Decision{}, false
}

// refuse remembers that the API refused a ticket.
func (p *Policy) refuse(t captcha.Ticket, v captcha.Verdict) {
	p.ports.Refusals.Add(refusalOf(v).name(t, p.rules.Load().Apps[t.AppID]))
}
