package simulator

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what older clients sign with
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The older ways to call: the parameters in a form, or in the query of a GET, and
// signature version 1 among them.

// formOf returns the parameters of a call that has them in a form or a query, nil of
// any other.
func formOf(r *http.Request, body []byte) url.Values {
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/x-www-form-urlencoded" {
			return nil
		}
		text = string(body)
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return url.Values{}
	}
	return values
}

// commonNames are parameters of every older call, whatever it asks.
var commonNames = []string{"Action", "Version", "Timestamp", "Nonce", "SecretId", "Signature", "SignatureMethod", "Region", "Language", "RequestClient", "Token"}

// fieldsOf returns the parameters of the action as a body of JSON would have them.
func fieldsOf(values url.Values) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	for name := range values {
		if slices.Contains(commonNames, name) {
			continue
		}
		text := values.Get(name)
		if slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == name && p.number }) {
			fields[name] = json.RawMessage(text)
			continue
		}
		fields[name], _ = json.Marshal(text) // a string always can
	}
	return fields
}

// checkOlder checks all that comes before the parameters of a call of signature
// version 1.
func (s *Simulator) checkOlder(r *http.Request, action string, params url.Values, now time.Time) *refusal {
	for _, name := range []string{"Action", "Version", "Timestamp", "SecretId"} {
		if params.Get(name) == "" {
			return refuse("MissingParameter", "The parameter "+name+" is missing.")
		}
	}
	if action == otherCall {
		return refuse("InvalidAction", "There is no such action in this API.")
	}
	if params.Get("Version") != apiVersion {
		return refuse("NoSuchVersion", "The only version of this API is "+apiVersion+".")
	}
	if _, refused := checkTime(params.Get("Timestamp"), now); refused != nil {
		return refused
	}
	if params.Get("SecretId") != s.cfg.SecretID {
		return refuse("AuthFailure.SecretIdNotFound", "There is no such SecretId.")
	}
	method := sha1.New
	switch params.Get("SignatureMethod") {
	case "HmacSHA256":
		method = sha256.New
	case "", "HmacSHA1":
	default:
		return refuse("AuthFailure.InvalidAuthorization", "The SignatureMethod is not known.")
	}
	sum, err := base64.StdEncoding.DecodeString(params.Get("Signature"))
	if err != nil || !slices.ContainsFunc(hostsOf(r), func(host string) bool {
		return hmac.Equal(sum, s.olderMAC(method, r.Method+host+"/?", params))
	}) {
		return refuse("AuthFailure.SignatureFailure", "The signature is not the one calculated here.")
	}
	return nil
}

func (s *Simulator) olderMAC(method func() hash.Hash, lead string, params url.Values) []byte {
	var pairs []string
	for name, values := range params {
		if name != "Signature" {
			pairs = append(pairs, name+"="+values[0])
		}
	}
	slices.SortFunc(pairs, func(a, b string) int { // by name alone
		nameA, _, _ := strings.Cut(a, "=")
		nameB, _, _ := strings.Cut(b, "=")
		return strings.Compare(nameA, nameB)
	})
	h := hmac.New(method, []byte(s.cfg.SecretKey))
	h.Write([]byte(lead + strings.Join(pairs, "&")))
	return h.Sum(nil)
}
