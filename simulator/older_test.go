package simulator_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"captchagate/simulator"
)

// olderCall is a call of signature version 1 at the time of a bubble's begin; its text
// is what is signed, with the parameters in the order of their names.
func olderCall(t *testing.T, method, signed, key string) *http.Request {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(method + "captcha.test/?" + signed))
	params := url.Values{"Signature": {base64.StdEncoding.EncodeToString(h.Sum(nil))}}
	for pair := range strings.SplitSeq(signed, "&") {
		name, value, _ := strings.Cut(pair, "=")
		params.Set(name, value)
	}
	address, body := "http://captcha.test/", params.Encode()
	if method == http.MethodGet {
		address, body = address+"?"+body, ""
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestCall_IsReadFromFormsAndQueriesToo(t *testing.T) {
	rows := []struct{ name, method, key, old, new, want string }{
		{"a form", http.MethodPost, simulator.DefaultSecretKey, "", "", "1"},
		{"a query", http.MethodGet, simulator.DefaultSecretKey, "", "", "1"},
		{"another key", http.MethodPost, "other", "", "", "AuthFailure.SignatureFailure"},
		{"another id", http.MethodPost, simulator.DefaultSecretKey, "SecretId=AKID", "SecretId=OTHER", "AuthFailure.SecretIdNotFound"},
		{"another action", http.MethodPost, simulator.DefaultSecretKey, "DescribeCaptchaResult", "DescribeCaptcha", "InvalidAction"},
		{"another version", http.MethodPost, simulator.DefaultSecretKey, "2019-07-22", "2019-07-23", "NoSuchVersion"},
		{"another time", http.MethodPost, simulator.DefaultSecretKey, "946684800", "946685101", "AuthFailure.SignatureExpire"},
		{"no user", http.MethodPost, simulator.DefaultSecretKey, "&UserIp=192.0.2.7", "", "MissingParameter"},
		{"an app in words", http.MethodPost, simulator.DefaultSecretKey, "190000001", "shop", "InvalidParameter"},
		{"a parameter that nobody knows", http.MethodPost, simulator.DefaultSecretKey, "&UserIp=", "&UserAgent=x&UserIp=", "UnknownParameter"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{})
				ticket := issue(t, s, "valid")
				signed := "Action=DescribeCaptchaResult&AppSecretKey=" + simulator.DefaultAppSecretKey + "&CaptchaAppId=190000001&CaptchaType=9&Nonce=7&Randstr=" +
					ticket.Randstr + "&SecretId=" + simulator.DefaultSecretID + "&SignatureMethod=HmacSHA256&Ticket=" + ticket.Ticket +
					"&Timestamp=946684800&UserIp=192.0.2.7&Version=2019-07-22"
				if row.old != "" {
					signed = strings.Replace(signed, row.old, row.new, 1)
				}
				if got := send(s, olderCall(t, row.method, signed, row.key)).what(); got != row.want {
					t.Errorf("the answer is %s, want %s", got, row.want)
				}
			})
		})
	}
}
