package simulator

import (
	"crypto/hmac"
	"strings"
	"time"
)

// The CaptchaCodes that a healthy simulator gives.
const (
	codeOK           = 1
	codeRandstr      = 7
	codeExpired      = 8
	codeReused       = 9
	codeForged       = 15
	codeWrongApp     = 16
	codeDisaster     = 21
	codeInvalidMini  = 25 // the mini action's word for a forged ticket
	codeBusy         = 26
	codeArrearsMini  = 31
	codeNotTogether  = 100
	malicious        = 100 // EvilLevel
	scoreOfHumans    = 3
	scoreOfMachines  = 97
	riskOfMachines   = "simulated-high-risk"
	evilBitsMachines = 1
)

var codeMessages = map[int]string{
	codeOK:          "OK",
	codeRandstr:     "randstr is not the one of this ticket",
	codeExpired:     "ticket expired",
	codeReused:      "ticket reused",
	codeForged:      "ticket forged or damaged",
	codeWrongApp:    "CaptchaAppId mismatch",
	codeDisaster:    "disaster recovery ticket",
	codeInvalidMini: "ticket invalid",
	codeArrearsMini: "no package or account in arrears",
	codeNotTogether: "CaptchaAppId and AppSecretKey do not belong together",
}

// verdict is what the API finds about a ticket.
type verdict struct {
	code   int
	evil   bool
	issued time.Time // of a ticket that passed
}

// judge finds the verdict for a call that was not refused, and uses the ticket
// up if it passes and spend is set.
func (s *Simulator) judge(c *call, now time.Time, spend bool) verdict {
	appKey, known := s.cfg.Apps[c.appID]
	switch {
	case !known:
		return verdict{code: codeWrongApp}
	case !hmac.Equal([]byte(c.appKey), []byte(appKey)):
		return verdict{code: codeNotTogether}
	case looksDisaster(c.ticket):
		return verdict{code: judgeDisaster(c.ticket, c.appID)}
	}
	t, randstr, ok := s.open(c.ticket)
	switch {
	case !ok || (t.action == typeMini) != c.mini():
		return verdict{code: forgedFor(c)}
	case t.appID != c.appID:
		return verdict{code: codeWrongApp}
	case !c.mini() && c.randstr != randstr:
		return verdict{code: codeRandstr}
	case now.Sub(t.issued) >= TicketLife:
		return verdict{code: codeExpired}
	case t.kind == kindUsed || !s.spent.spend(t.id, t.issued.Add(TicketLife), now, !spend):
		return verdict{code: codeReused}
	}
	if spend {
		s.stats.consume()
	}
	return verdict{code: codeOK, evil: t.kind == kindEvil, issued: t.issued}
}

func forgedFor(c *call) int {
	if c.mini() {
		return codeInvalidMini
	}
	return codeForged
}

func looksDisaster(ticket string) bool {
	return strings.HasPrefix(ticket, "trerror_") || strings.HasPrefix(ticket, "terror_")
}

// judgeDisaster answers a ticket that a page made up because the script
// failed: 21 in a known form, 16 if the app cannot be made out, else 15.
// It never passes and is never used up.
func judgeDisaster(ticket string, appID uint64) int {
	parts := strings.SplitN(ticket, "_", 5)
	if len(parts) < 3 || len(parts[1]) != 4 || !allDigits(parts[1]) {
		return codeForged
	}
	ours := parts[2] == uintText(appID)
	switch {
	case !ours:
		return codeWrongApp
	case len(parts) == 3 || len(parts[3]) != 10 || !allDigits(parts[3]):
		return codeForged // no time
	default:
		return codeDisaster
	}
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
