package policy

import "captchagate/captcha"

// verdict decides by what the Captcha API said. A pass stands, whatever was said
// of the ticket in other requests at the same time.
func (p *Policy) verdict(r Request, v captcha.Verdict) Decision {
	switch {
	case v.Outcome == captcha.Passed && p.ports.Ledger.Claim(r.Ticket.Key()):
		return Decision{Action: Allow, Reason: ReasonVerified, Assurance: AssuranceFull, Mode: ModeNormal, Answer: v.Answer, Attempts: v.Attempts}
	case v.Outcome == captcha.Passed:
		d := rejected(v.Answer, v.Attempts)
		d.Why = "the API passes it, and it let somebody in before"
		return d
	}
	p.refuse(r.Ticket, v)
	if v.Outcome == captcha.Malicious {
		return malicious(v.Answer, v.Attempts)
	}
	d := rejected(v.Answer, v.Attempts)
	if v.Answer == nil {
		d.Why = "the API refused the call as invalid"
	}
	return d
}

// rejectedUnasked rejects a ticket without asking the API.
func rejectedUnasked(why string) Decision {
	d := rejected(nil, 0)
	d.Why = why
	return d
}

func malicious(a *captcha.Answer, attempts int) Decision {
	return Decision{Action: Deny, Reason: ReasonMalicious, Assurance: AssuranceNone, Mode: ModeNormal, Answer: a, Attempts: attempts}
}

func rejected(a *captcha.Answer, attempts int) Decision {
	return Decision{Action: Deny, Reason: ReasonRejected, Assurance: AssuranceNone, Mode: ModeNormal, Answer: a, Attempts: attempts}
}
