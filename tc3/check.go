package tc3

import (
	"crypto/hmac"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// maxSkew is how far the time of a signature may be from now.
const maxSkew = 5 * time.Minute

// A Refusal says why a request does not count as signed, as the Cloud API does.
type Refusal struct{ Code, Message string }

// Error is the code.
func (r *Refusal) Error() string { return r.Code }

// The refusals. None tells anything that the request holds.
var (
	ErrUnsigned  = &Refusal{"AuthFailure.InvalidAuthorization", "The request has no signature that can be read."}
	ErrNoTime    = &Refusal{"MissingParameter", "The time of the signature is missing."}
	ErrBadTime   = &Refusal{"InvalidParameter", "The time of the signature must be in seconds since 1970."}
	ErrUnknownID = &Refusal{"AuthFailure.SecretIdNotFound", "The SecretId is not known here."}
	ErrExpired   = &Refusal{"AuthFailure.SignatureExpire", "The time of the signature is more than five minutes from the time here."}
	ErrWrong     = &Refusal{"AuthFailure.SignatureFailure", "The signature is not the one calculated here; look at the SecretKey, and at what changes requests on their way."}
)

// A Checker checks the signatures of the accounts that it knows. It may be used by
// many goroutines at once.
type Checker struct {
	accounts atomic.Pointer[map[string]*account]
}

// An account is one SecretId with its key.
type account struct {
	key   string
	today atomic.Pointer[scopedKey]
}

// A scopedKey is the last key that was derived from an account's: it changes once a
// day, unless clients name services by turns.
type scopedKey struct {
	date, service string
	key           signingKey
}

// NewChecker returns a checker of these SecretKeys by SecretId.
func NewChecker(keys map[string]string) *Checker {
	c := new(Checker)
	c.SetKeys(keys)
	return c
}

// SetKeys replaces the accounts, for requests that come from now on.
func (c *Checker) SetKeys(keys map[string]string) {
	accounts := make(map[string]*account, len(keys))
	for id, key := range keys {
		accounts[id] = &account{key: key}
	}
	c.accounts.Store(&accounts)
}

// A Signature is one that was found to be right.
type Signature struct {
	ID  string // the SecretId
	Sum string // the signature itself, as it was sent: hexadecimal, or base64 in version 1
}

// Check finds the signature of a request that came with this body, in time for now.
// params are those of its form or query, if it has any: signature version 1 is one of
// them. The error is a *Refusal.
func (c *Checker) Check(r *http.Request, body []byte, params url.Values, now time.Time) (Signature, error) {
	switch values := r.Header["Authorization"]; {
	case len(values) == 1:
		return c.checkHeader(r, values[0], body, now)
	case len(values) == 0 && params.Has("Signature"):
		return c.checkParams(r, params, now)
	}
	return Signature{}, ErrUnsigned
}

// find returns the account of a SecretId.
func (c *Checker) find(id string) (*account, error) {
	if a, ok := (*c.accounts.Load())[id]; ok {
		return a, nil
	}
	return nil, ErrUnknownID
}

// signingKey returns the account's key of a day and service.
func (a *account) signingKey(date, service string) *signingKey {
	if k := a.today.Load(); k != nil && k.date == date && k.service == service {
		return &k.key
	}
	k := &scopedKey{date: date, service: service, key: newSigningKey(a.key, date, service)}
	a.today.Store(k)
	return &k.key
}

// timely reads the time of a signature, in seconds since 1970.
func timely(values []string, now time.Time) (time.Time, error) {
	if len(values) == 0 || values[0] == "" {
		return time.Time{}, ErrNoTime
	}
	seconds, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || len(values) > 1 {
		return time.Time{}, ErrBadTime
	}
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-maxSkew)) || at.After(now.Add(maxSkew)) {
		return time.Time{}, ErrExpired
	}
	return at, nil
}

// spellings are the path and host that a client may have signed, each as sent and as
// some clients write it.
func spellings(r *http.Request) iter.Seq2[string, string] {
	return func(yield func(path, host string) bool) {
		if !yield("/", r.Host) {
			return
		}
		hosts, paths := []string{r.Host}, []string{"/"}
		if bare, _, err := net.SplitHostPort(r.Host); err == nil {
			hosts = append(hosts, bare)
		}
		if sent := r.URL.EscapedPath(); sent != "" && sent != "/" {
			paths = append(paths, sent)
		}
		for i, path := range paths {
			for j, host := range hosts {
				if i+j > 0 && !yield(path, host) {
					return
				}
			}
		}
	}
}

// equal compares in a time that tells nothing of where the two differ.
func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
