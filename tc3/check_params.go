package tc3

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what clients sign with
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// methods are the hashes of signature version 1; without a name it is HmacSHA1.
var methods = map[string]func() hash.Hash{"": sha1.New, "HmacSHA1": sha1.New, "HmacSHA256": sha256.New}

// checkParams checks signature version 1, which is a parameter and covers all others.
func (c *Checker) checkParams(r *http.Request, params url.Values, now time.Time) (Signature, error) {
	for _, values := range params {
		if len(values) != 1 { // which of them is signed, nobody can say
			return Signature{}, ErrUnsigned
		}
	}
	method, known := methods[params.Get("SignatureMethod")]
	id, sum := params.Get("SecretId"), params.Get("Signature")
	if !known || id == "" || sum == "" {
		return Signature{}, ErrUnsigned
	}
	if _, err := timely(params["Timestamp"], now); err != nil {
		return Signature{}, err
	}
	of, err := c.find(id)
	if err != nil {
		return Signature{}, err
	}
	for path, host := range spellings(r) {
		mac := hmac.New(method, []byte(of.key))
		mac.Write(appendParams([]byte(r.Method+host+path+"?"), params))
		if equal(base64.StdEncoding.EncodeToString(mac.Sum(nil)), sum) {
			return Signature{ID: id, Sum: sum}, nil
		}
	}
	return Signature{}, ErrWrong
}

// appendParams appends all parameters but the signature, by name and not escaped.
func appendParams(b []byte, params url.Values) []byte {
	between := ""
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name == "Signature" {
			continue
		}
		b = append(append(append(append(b, between...), name...), '='), params.Get(name)...)
		between = "&"
	}
	return b
}
