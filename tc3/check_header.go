package tc3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unsignedPayload stands for the body where a client chose not to sign it.
const unsignedPayload = "UNSIGNED-PAYLOAD"

// An authorization is a parsed Authorization header.
type authorization struct {
	id, date, service string
	signed            string // names of the signed headers, with semicolons between
	sum               string
	mac               [sha256.Size]byte // what sum says
}

// parseAuthorization reads
// "TC3-HMAC-SHA256 Credential=ID/DATE/SERVICE/tc3_request, SignedHeaders=a;b, Signature=HEX".
func parseAuthorization(header string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return a, false
	}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Credential":
			if !a.scope(value) {
				return a, false
			}
		case "SignedHeaders":
			a.signed = value
		case "Signature":
			a.sum = value
		}
	}
	if len(a.sum) != hex.EncodedLen(len(a.mac)) {
		return a, false
	}
	_, err := hex.Decode(a.mac[:], []byte(a.sum))
	return a, a.id != "" && a.fewSigned() && err == nil
}

// scope reads "ID/DATE/SERVICE/tc3_request".
func (a *authorization) scope(value string) bool {
	value, ok := strings.CutSuffix(value, "/tc3_request")
	id, rest, found := strings.Cut(value, "/")
	date, service, both := strings.Cut(rest, "/")
	a.id, a.date, a.service = id, date, service
	return ok && found && both && !strings.Contains(service, "/")
}

// maxSigned is how many headers may be signed; SDKs sign two or three.
const maxSigned = 32

// fewSigned reports whether some headers are signed, few and each once: the request that
// is hashed is then no longer than its headers are, however those are named.
func (a *authorization) fewSigned() bool {
	var seen [maxSigned]string
	n := 0
	for name := range strings.SplitSeq(a.signed, ";") {
		if n == maxSigned || name == "" || slices.Contains(seen[:n], name) {
			return false
		}
		seen[n] = name
		n++
	}
	return true
}

// covers reports whether the headers are signed without which a signature says little.
func (a *authorization) covers() bool {
	host, kind := false, false
	for name := range strings.SplitSeq(a.signed, ";") {
		host, kind = host || name == "host", kind || name == "content-type"
	}
	return host && kind
}

// checkHeader checks TC3-HMAC-SHA256.
func (c *Checker) checkHeader(r *http.Request, header string, body []byte, now time.Time) (Signature, error) {
	a, ok := parseAuthorization(header)
	if !ok {
		return Signature{}, ErrUnsigned
	}
	at, err := timely(r.Header["X-Tc-Timestamp"], now)
	if err != nil {
		return Signature{}, err
	}
	of, err := c.find(a.id)
	if err != nil {
		return Signature{}, err
	}
	sameDay := a.date == at.UTC().Format(time.DateOnly)
	if !sameDay || !a.covers() || !a.signs(r, body, of.signingKey(a.date, a.service)) {
		return Signature{}, ErrWrong
	}
	return Signature{ID: a.id, Sum: strings.ToLower(a.sum)}, nil
}

// signs tries the spellings in which clients sign.
func (a *authorization) signs(r *http.Request, body []byte, key *signingKey) bool {
	payload := sha256.Sum256(body)
	if slices.Equal(r.Header["X-Tc-Content-Sha256"], []string{unsignedPayload}) {
		payload = sha256.Sum256([]byte(unsignedPayload))
	}
	for path, host := range spellings(r) {
		for _, spell := range [...]func(string) string{asSent, strings.ToLower} {
			var room [1024]byte
			request := a.appendRequest(room[:0], r, path, host, payload, spell)
			sum := key.sign(a.appendText(request[len(request):], r.Header.Get("X-Tc-Timestamp"), request))
			if hmac.Equal(sum[:], a.mac[:]) {
				return true
			}
		}
	}
	return false
}

func asSent(value string) string { return value }

// appendRequest appends the canonical request. The query of a POST is not signed.
func (a *authorization) appendRequest(b []byte, r *http.Request, path, host string, payload [sha256.Size]byte, spell func(string) string) []byte {
	b = append(append(append(b, r.Method...), '\n'), path...)
	b = append(b, '\n')
	if r.Method == http.MethodGet {
		b = append(b, r.URL.RawQuery...)
	}
	b = append(b, '\n')
	for name := range strings.SplitSeq(a.signed, ";") {
		b = append(append(b, name...), ':')
		b = append(append(b, strings.TrimSpace(spell(headerOf(r, name, host)))...), '\n')
	}
	b = append(append(append(b, '\n'), a.signed...), '\n')
	return hex.AppendEncode(b, payload[:])
}

// appendText appends what the signature is of.
func (a *authorization) appendText(b []byte, stamp string, request []byte) []byte {
	sum := sha256.Sum256(request)
	b = append(append(append(b, algorithm+"\n"...), stamp...), '\n')
	b = append(append(append(b, a.date...), '/'), a.service...)
	return hex.AppendEncode(append(b, "/tc3_request\n"...), sum[:])
}

// headerOf finds a signed header, also those that net/http keeps elsewhere.
func headerOf(r *http.Request, name, host string) string {
	if name == "host" {
		return host
	}
	if values := r.Header.Values(name); len(values) > 0 {
		return strings.Join(values, ",")
	}
	if name == "content-length" {
		return strconv.FormatInt(r.ContentLength, 10)
	}
	return ""
}
