package tc3

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	algorithm     = "TC3-HMAC-SHA256"
	secondsPerDay = 24 * 60 * 60
)

// A Signer signs requests of one account to one service, all with the same
// signed headers. What does not change from one request to the next is made
// once. It may be used by many goroutines at once.
type Signer struct {
	id, key string
	service string
	signed  string // names of the headers that are signed
	head    string // the canonical request, up to the hash of the body
	today   atomic.Pointer[signingDay]
}

// A signingDay is what the signatures of one day (UTC) share.
type signingDay struct {
	number int64  // of the day, since 1970
	scope  string // 2006-01-02/service/tc3_request
	lead   string // the Authorization header, up to the signature
	key    signingKey
}

// NewSigner returns a signer of POST requests to / for the account with the
// SecretId and SecretKey. signed names the headers that are signed, in lower
// case, sorted, with semicolons between; headers are those headers in the
// canonical form: "name:value\n" of each.
func NewSigner(secretID, secretKey, service, signed, headers string) *Signer {
	return &Signer{
		id: secretID, key: secretKey, service: service, signed: signed,
		head: "POST\n/\n\n" + headers + "\n" + signed + "\n",
	}
}

// Authorization returns the Authorization header of a request with the body,
// made at unix, in seconds since 1970, which X-TC-Timestamp has to say too.
func (s *Signer) Authorization(body []byte, unix int64) string {
	day := s.day(unix)
	var space [512]byte // more than any of the texts; a longer one would move to the heap
	request := sha256.Sum256(appendHash(append(space[:0], s.head...), body))
	text := append(space[:0], algorithm+"\n"...)
	text = strconv.AppendInt(text, unix, 10)
	text = append(text, '\n')
	text = append(text, day.scope...)
	text = append(text, '\n')
	signature := day.key.sign(hex.AppendEncode(text, request[:]))
	return string(hex.AppendEncode(append(space[:0], day.lead...), signature[:]))
}

func appendHash(text, body []byte) []byte {
	sum := sha256.Sum256(body)
	return hex.AppendEncode(text, sum[:])
}

// day returns what the signatures of the time share. Around midnight two calls
// may each make it: they make the same.
func (s *Signer) day(unix int64) *signingDay {
	number := unix / secondsPerDay
	if d := s.today.Load(); d != nil && d.number == number {
		return d
	}
	d := s.newDay(number)
	s.today.Store(d)
	return d
}

func (s *Signer) newDay(number int64) *signingDay {
	date := time.Unix(number*secondsPerDay, 0).UTC().Format(time.DateOnly)
	scope := date + "/" + s.service + "/tc3_request"
	return &signingDay{
		number: number, scope: scope, key: newSigningKey(s.key, date, s.service),
		lead: algorithm + " Credential=" + s.id + "/" + scope + ", SignedHeaders=" + s.signed + ", Signature=",
	}
}
