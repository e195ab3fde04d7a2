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
	payloadLen   = 1 + 1 + 8 + 8 + 8
	macLen       = 16
)

// What a ticket can say of itself. Expired ones are valid ones of an earlier
// time; forged ones have a broken MAC.
const (
	kindValid = 'v'
	kindUsed  = 'u'
	kindEvil  = 'e'
	typeWeb   = 'w'
	typeMini  = 'm'
)

type ticket struct {
	kind, action byte
	appID        uint64
	issued       time.Time // to the millisecond
	id           uint64
}

func (t ticket) payload() []byte {
	b := []byte{t.kind, t.action}
	b = binary.BigEndian.AppendUint64(b, t.appID)
	b = binary.BigEndian.AppendUint64(b, uint64(t.issued.UnixMilli()))
	return binary.BigEndian.AppendUint64(b, t.id)
}

// seal writes the ticket and its randstr; forged breaks the MAC.
func (s *Simulator) seal(t ticket, forged bool) Ticket {
	payload := t.payload()
	sum := s.ticketMAC(payload)
	out := Ticket{Randstr: randstrOf(sum)}
	if t.action == typeMini {
		out.Randstr = ""
	}
	if forged {
		sum[0] ^= 1
	}
	out.Ticket = ticketPrefix + base64.RawURLEncoding.EncodeToString(append(payload, sum[:macLen]...))
	return out
}

// open reads a ticket of ours and says which randstr belongs to it.
func (s *Simulator) open(text string) (t ticket, randstr string, ok bool) {
	encoded, ok := strings.CutPrefix(text, ticketPrefix)
	if !ok {
		return t, "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != payloadLen+macLen {
		return t, "", false
	}
	payload := raw[:payloadLen]
	sum := s.ticketMAC(payload)
	if !hmac.Equal(raw[payloadLen:], sum[:macLen]) {
		return t, "", false
	}
	t = ticket{
		kind: payload[0], action: payload[1],
		appID:  binary.BigEndian.Uint64(payload[2:]),
		issued: time.UnixMilli(int64(binary.BigEndian.Uint64(payload[10:]))),
		id:     binary.BigEndian.Uint64(payload[18:]),
	}
	return t, randstrOf(sum), true
}

func (s *Simulator) ticketMAC(payload []byte) []byte {
	h := hmac.New(sha256.New, s.secret[:])
	h.Write(payload)
	return h.Sum(nil)
}

func randstrOf(sum []byte) string {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[macLen : macLen+7])
	return "@" + string(bytes.ToLower([]byte(text)))
}
