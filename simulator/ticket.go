package simulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// A Ticket is what the page script hands to the page.
type Ticket struct {
	Ticket  string `json:"ticket"`
	Randstr string `json:"randstr"` // empty for a mini program's ticket
}

// A ticket describes itself, so that issuing millions keeps nothing: what kind
// it is, for which action and app, when it was issued, a number that no other
// has, and a MAC under a key of this simulator. As text:
//
//	tr03simulator_ base64url( kind type app(8) issued(8) id(8) mac(16) )
//
// The randstr comes out of the same MAC.
const (
	ticketPrefix = "tr03simulator_"
	ticketFacts  = 1 + 1 + 8 + 8 + 8
	ticketMAC    = 16
)

// What a ticket can say of itself. Expired ones are valid ones of an earlier
// time; forged ones have a broken MAC.
const (
	markValid = 'v'
	markUsed  = 'u'
	markEvil  = 'e'
	markWeb   = 'w'
	markMini  = 'm'
)

type ticket struct {
	mark, action byte
	appID        uint64
	issued       time.Time // to the millisecond
	id           uint64
}

func (t ticket) facts() []byte {
	b := []byte{t.mark, t.action}
	b = binary.BigEndian.AppendUint64(b, t.appID)
	b = binary.BigEndian.AppendUint64(b, uint64(t.issued.UnixMilli()))
	return binary.BigEndian.AppendUint64(b, t.id)
}

// seal writes the ticket and its randstr; forged breaks the MAC.
func (s *Simulator) seal(t ticket, forged bool) Ticket {
	facts := t.facts()
	sum := s.ticketSum(facts)
	out := Ticket{Randstr: randstrOf(sum)}
	if t.action == markMini {
		out.Randstr = ""
	}
	if forged {
		sum[0] ^= 1
	}
	out.Ticket = ticketPrefix + base64.RawURLEncoding.EncodeToString(append(facts, sum[:ticketMAC]...))
	return out
}

// open reads a ticket of ours and says which randstr belongs to it.
func (s *Simulator) open(text string) (t ticket, randstr string, ok bool) {
	encoded, ok := strings.CutPrefix(text, ticketPrefix)
	if !ok {
		return t, "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != ticketFacts+ticketMAC {
		return t, "", false
	}
	facts := raw[:ticketFacts]
	sum := s.ticketSum(facts)
	if !hmac.Equal(raw[ticketFacts:], sum[:ticketMAC]) {
		return t, "", false
	}
	t = ticket{
		mark: facts[0], action: facts[1],
		appID:  binary.BigEndian.Uint64(facts[2:]),
		issued: time.UnixMilli(int64(binary.BigEndian.Uint64(facts[10:]))),
		id:     binary.BigEndian.Uint64(facts[18:]),
	}
	return t, randstrOf(sum), true
}

func (s *Simulator) ticketSum(facts []byte) []byte {
	h := hmac.New(sha256.New, s.secret[:])
	h.Write(facts)
	return h.Sum(nil)
}

func randstrOf(sum []byte) string {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[ticketMAC : ticketMAC+7])
	return "@" + string(bytes.ToLower([]byte(text)))
}
