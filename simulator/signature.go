package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	signatureMethod = "TC3-HMAC-SHA256"
	signatureSkew   = 5 * time.Minute // how far X-TC-Timestamp may be from now
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// authorization is a parsed Authorization header.
type authorization struct {
	id, date, service string
	signed            []string // names of the signed headers, in their order
	mac               []byte
}

// parseAuthorization reads
// "TC3-HMAC-SHA256 Credential=ID/DATE/SERVICE/tc3_request, SignedHeaders=a;b, Signature=HEX".
func parseAuthorization(header string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, signatureMethod+" ")
	if !ok {
		return a, false
	}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 4 || scope[3] != "tc3_request" {
				return a, false
			}
			a.id, a.date, a.service = scope[0], scope[1], scope[2]
		case "SignedHeaders":
			a.signed = strings.Split(value, ";")
		case "Signature":
			a.mac, _ = hex.DecodeString(value)
		}
	}
	return a, a.id != "" && len(a.signed) > 0 && len(a.mac) == sha256.Size
}

// checkSignature is nil if the call is signed by our account at this time.
func (s *Simulator) checkSignature(r *http.Request, body []byte, now time.Time) *refusal {
	stamp := r.Header.Get("X-TC-Timestamp")
	seconds, refused := checkTime(stamp, now)
	if refused != nil {
		return refused
	}
	a, ok := parseAuthorization(r.Header.Get("Authorization"))
	if !ok {
		return refuse("AuthFailure.InvalidAuthorization", "The Authorization header is not in the form of TC3-HMAC-SHA256.")
	}
	if a.id != s.cfg.SecretID {
		return refuse("AuthFailure.SecretIdNotFound", "There is no such SecretId.")
	}
	sameDay := a.date == time.Unix(seconds, 0).UTC().Format(time.DateOnly)
	bound := slices.Contains(a.signed, "host") && slices.Contains(a.signed, "content-type")
	if !sameDay || !bound || !s.signedBy(a, r, body, stamp) {
		return refuse("AuthFailure.SignatureFailure", "The signature is not the one calculated here.")
	}
	return nil
}

func checkTime(stamp string, now time.Time) (seconds int64, refused *refusal) {
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return 0, refuse("InvalidParameter", "The time is not a number of seconds.")
	}
	if at := time.Unix(seconds, 0); at.Before(now.Add(-signatureSkew)) || at.After(now.Add(signatureSkew)) {
		return 0, refuse("AuthFailure.SignatureExpire", "The time is more than five minutes from the server's.")
	}
	return seconds, nil
}

// signedBy tries the spellings in which clients sign: the host with its port
// and without, header values as sent and in lower case.
func (s *Simulator) signedBy(a authorization, r *http.Request, body []byte, stamp string) bool {
	payload := sha256.Sum256(body)
	if r.Header.Get("X-TC-Content-SHA256") == unsignedPayload {
		payload = sha256.Sum256([]byte(unsignedPayload))
	}
	key := s.signingKey(a.date, a.service)
	for _, host := range hostsOf(r) {
		for _, spell := range []func(string) string{asSent, strings.ToLower} {
			request := canonicalRequest(a.signed, r, host, payload, spell)
			if hmac.Equal(a.mac, mac(key, stringToSign(a, stamp, request))) {
				return true
			}
		}
	}
	return false
}

func asSent(value string) string { return value }

// hostsOf are the host as sent and, if it has a port, without.
func hostsOf(r *http.Request) []string {
	hosts := []string{hostOf(r)}
	if bare, _, err := net.SplitHostPort(hosts[0]); err == nil {
		hosts = append(hosts, bare)
	}
	return hosts
}

// canonicalRequest is what the signature covers. The path is always "/" and a
// POST has no query, whatever the address says.
func canonicalRequest(signed []string, r *http.Request, host string, payload [sha256.Size]byte, spell func(string) string) string {
	var b strings.Builder
	query := ""
	if r.Method == http.MethodGet {
		query = r.URL.RawQuery
	}
	b.WriteString(r.Method + "\n/\n" + query + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + strings.TrimSpace(spell(headerOf(r, name, host))) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hex.EncodeToString(payload[:]))
	return b.String()
}

func stringToSign(a authorization, stamp, request string) string {
	sum := sha256.Sum256([]byte(request))
	return signatureMethod + "\n" + stamp + "\n" + a.date + "/" + a.service + "/tc3_request\n" + hex.EncodeToString(sum[:])
}

// headerOf finds a signed header, also those which net/http keeps elsewhere.
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

func hostOf(r *http.Request) string {
	if r.Host == "" {
		return r.URL.Host // a client's request, in process
	}
	return r.Host
}

// dayKey is the last signing key derived: it changes once a day.
type dayKey struct {
	date, service string
	key           []byte
}

func (s *Simulator) signingKey(date, service string) []byte {
	if k := s.signing.Load(); k != nil && k.date == date && k.service == service {
		return k.key
	}
	key := []byte("TC3" + s.cfg.SecretKey)
	for _, part := range []string{date, service, "tc3_request"} {
		key = mac(key, part)
	}
	s.signing.Store(&dayKey{date, service, key})
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
