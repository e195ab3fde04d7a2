// Package captcha is the vocabulary that the rooms of the gateway share: what
// a ticket is, what a verdict is, and the ways in which nobody could tell.
//
// Two layers ask one question and a third decides:
//
//	policy.Decide( breaker( upstream ) )
//
// The facts about the Captcha API come from Tencent Cloud's documentation of
// DescribeCaptchaResult and DescribeCaptchaMiniResult (version 2019-07-22).
package captcha

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"time"
)

// TicketLife is how long the Captcha API accepts a ticket after it was issued.
const TicketLife = 5 * time.Minute

// Longest accepted inputs, in bytes.
const (
	MaxTicket  = 2048
	MaxRandstr = 256
)

// A Ticket is what a browser received from the Captcha script, together with
// whose it is.
type Ticket struct {
	Value   string
	Randstr string     // empty for a mini program's ticket
	AppID   uint64     // CaptchaAppId that the ticket was issued for
	Mini    bool       // verified by DescribeCaptchaMiniResult
	UserIP  netip.Addr // the end user's address
	Subject string     // opaque account key of the business; may be empty

	key Key // of Value, once Named; zero before
}

// WellFormed reports whether t can be sent to the Captcha API at all: printable
// ASCII without spaces, within the lengths, a randstr if one is needed.
func (t Ticket) WellFormed() bool {
	return printable(t.Value, MaxTicket) && (t.Mini || printable(t.Randstr, MaxRandstr))
}

// RandstrFits reports whether the randstr, which a disaster ticket may do
// without, could be one at all.
func (t Ticket) RandstrFits() bool { return t.Randstr == "" || printable(t.Randstr, MaxRandstr) }

// Key identifies the ticket, whoever presents it, without revealing it.
func (t Ticket) Key() Key {
	if t.key != (Key{}) {
		return t.key
	}
	return KeyOf(t.Value)
}

// Named returns t with its Key worked out, for whoever asks for it more than
// once. Its Value must not be changed any more.
func (t Ticket) Named() Ticket {
	t.key = KeyOf(t.Value)
	return t
}

// Household is the user's; see the function.
func (t Ticket) Household() netip.Prefix { return Household(t.UserIP) }

// AppendUser appends a stable name of whose the ticket is: the subject, or else
// the household.
func (t Ticket) AppendUser(b []byte) []byte {
	if t.Subject != "" {
		return append(b, t.Subject...)
	}
	return t.Household().AppendTo(b)
}

// A Key is a one-way name of something that a user sent.
type Key = [16]byte

// KeyOf names value: the first half of its SHA-256.
func KeyOf(value string) Key {
	var room [256]byte // holds nearly every ticket, so that hashing makes no garbage
	sum := sha256.Sum256(append(room[:0], value...))
	return Key(sum[:16])
}

func printable(s string, maxLen int) bool {
	if s == "" || len(s) > maxLen {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// A Verifier turns a ticket into a verdict. Its error is always a *Failure:
// "the ticket is bad" is a verdict, "nobody could tell" is a failure.
type Verifier interface {
	Verify(ctx context.Context, t Ticket) (Verdict, error)
}

// Outcome is what the Captcha API thinks of a ticket.
type Outcome int

// The outcomes. The zero value rejects.
const (
	Rejected  Outcome = iota // any code but 1, and calls it calls invalid
	Passed                   // code 1
	Malicious                // code 1 at EvilLevel 100: block all the same
)

// String names the outcome as metrics do.
func (o Outcome) String() string {
	switch o {
	case Passed:
		return "passed"
	case Malicious:
		return "malicious"
	default:
		return "rejected"
	}
}

// A Verdict is a definite answer of the Captcha API about one ticket.
type Verdict struct {
	Outcome  Outcome
	Answer   *Answer // nil if the API refused the call as invalid
	Attempts int     // calls made for it; set by the breaker
}

// CaptchaCodes with a meaning to the rooms above upstream.
const (
	CodeOK       = 1
	CodeReused   = 9   // ticket used before; formerly also 104
	CodeExpired  = 8   // the ticket is older than its life
	CodeForged   = 15  // forged or damaged
	CodeOtherApp = 16  // the ticket is another app's
	CodeBusy     = 26  // the API's own "system busy"
	CodeNoMatch  = 100 // app id, app secret key and ticket do not belong together
)

// Reused reports whether a CaptchaCode says that the ticket was used before.
func Reused(code int64) bool { return code == CodeReused || code == 104 }

// RefusesTicket reports whether a CaptchaCode is about the ticket alone: used,
// expired or forged. Other codes are about what it was presented with.
func RefusesTicket(code int64) bool {
	return Reused(code) || code == CodeExpired || code == CodeForged
}

// HintsAtApp reports whether a CaptchaCode may mean that an app's id or key is
// wrong. A bad ticket has the same codes: only many of them, and no pass, say more.
func HintsAtApp(code int64) bool {
	return code == CodeForged || code == CodeOtherApp || code == CodeNoMatch
}

// An Answer is a parsed answer of the Captcha API.
type Answer struct {
	Code      int64  `json:"code"`
	Message   string `json:"message"`
	EvilLevel int64  `json:"evil_level"` // 0, or 100 for malicious
	Score     int64  `json:"score"`      // 0..100, higher is more bot-like
	RequestID string `json:"request_id"`
}
