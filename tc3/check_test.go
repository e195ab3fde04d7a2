package tc3_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"captchagate/tc3"
)

const (
	plainSum    = "cba085cad94c035d648642e37ecac3f838d66423dd1a151e1decc84c3a8c01b7"
	extendedSum = "7f3191e05291c5ec1dfb9968d9085be9aa092bd9186c61bf12eda89ba1f064b0"
	host        = "captcha.tencentcloudapi.com"
	charset     = "application/json; charset=utf-8"
)

var signedAt = time.Unix(1700000000, 0)

// vector is the request of the known signatures.
func vector(signed, sum string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://"+host+"/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-TC-Action", "DescribeCaptchaResult")
	r.Header.Set("X-TC-Timestamp", "1700000000")
	r.Header.Set("Authorization", "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/captcha/tc3_request, SignedHeaders="+signed+", Signature="+sum)
	return r
}

func TestChecker_FollowsTheVectors(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	asIs := func(*http.Request) {}
	const both = "content-type;host"
	instead := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	rows := []struct {
		name, signed, sum string
		change            func(*http.Request)
		late              time.Duration
		want              error
	}{
		{"two headers signed", both, plainSum, asIs, 0, nil},
		{"the action too", both + ";x-tc-action", extendedSum, header("Content-Type", charset), 0, nil},
		{"the host without its port", both, plainSum, func(r *http.Request) { r.Host = host + ":8443" }, 0, nil},
		{"the sum in capitals", both, strings.ToUpper(plainSum), asIs, 0, nil},
		{"at another path", both, plainSum, func(r *http.Request) { r.URL.Path = "/captcha" }, 0, nil},
		{"another host", both, plainSum, func(r *http.Request) { r.Host = "captcha.example" }, 0, tc3.ErrWrong},
		{"another content type", both, plainSum, header("Content-Type", charset), 0, tc3.ErrWrong},
		{"a second content type", both, plainSum, func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }, 0, tc3.ErrWrong},
		{"another action", both + ";x-tc-action", extendedSum, func(r *http.Request) {
			r.Header.Set("Content-Type", charset)
			r.Header.Set("X-TC-Action", "DescribeCaptchaMiniResult")
		}, 0, tc3.ErrWrong},
		{"a GET", both, plainSum, func(r *http.Request) { r.Method = http.MethodGet }, 0, tc3.ErrWrong},
		{"one digit off", both, "d" + plainSum[1:], asIs, 0, tc3.ErrWrong},
		{"the host not signed", "content-type", plainSum, asIs, 0, tc3.ErrWrong},
		{"the content type not signed", "host", plainSum, asIs, 0, tc3.ErrWrong},
		{"another day", both, plainSum, instead("2023-11-14", "2023-11-15"), 0, tc3.ErrWrong},
		{"another service", both, plainSum, instead("/captcha/", "/cvm/"), 0, tc3.ErrWrong},
		{"an unsigned payload that was signed", both, plainSum, header("X-TC-Content-SHA256", "UNSIGNED-PAYLOAD"), 0, tc3.ErrWrong},
		{"another id", both, plainSum, instead("AKIDEXAMPLE", "AKIDOTHER"), 0, tc3.ErrUnknownID},
		{"five minutes late", both, plainSum, asIs, 5 * time.Minute, nil},
		{"later", both, plainSum, asIs, 5*time.Minute + time.Second, tc3.ErrExpired},
		{"five minutes early", both, plainSum, asIs, -5 * time.Minute, nil},
		{"earlier", both, plainSum, asIs, -5*time.Minute - time.Second, tc3.ErrExpired},
		{"a clock of nobody's", both, plainSum, header("X-TC-Timestamp", "9223372036854775807"), 0, tc3.ErrExpired},
		{"no time", both, plainSum, func(r *http.Request) { r.Header.Del("X-TC-Timestamp") }, 0, tc3.ErrNoTime},
		{"a time in words", both, plainSum, header("X-TC-Timestamp", "now"), 0, tc3.ErrBadTime},
		{"two times", both, plainSum, func(r *http.Request) { r.Header.Add("X-TC-Timestamp", "1700000000") }, 0, tc3.ErrBadTime},
		{"no hexadecimal", both, "zz", asIs, 0, tc3.ErrUnsigned},
		{"half a sum", both, plainSum[:32], asIs, 0, tc3.ErrUnsigned},
		{"a scope too many", both, plainSum, instead("/captcha/", "/captcha/x/"), 0, tc3.ErrUnsigned},
		{"a scope of nothing", both, plainSum, instead("/2023-11-14/captcha/tc3_request", ""), 0, tc3.ErrUnsigned},
		{"no signed headers", "", plainSum, asIs, 0, tc3.ErrUnsigned},
		{"another scheme", both, plainSum, header("Authorization", "Bearer key"), 0, tc3.ErrUnsigned},
		{"skipped", both, plainSum, header("Authorization", "SKIP"), 0, tc3.ErrUnsigned},
		{"none", both, plainSum, func(r *http.Request) { r.Header.Del("Authorization") }, 0, tc3.ErrUnsigned},
		{"two", both, plainSum, func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, 0, tc3.ErrUnsigned},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := vector(row.signed, row.sum)
			row.change(r)
			c := tc3.NewChecker(map[string]string{"AKIDEXAMPLE": "EXAMPLEKEY", "AKIDSECOND": "OTHERKEY"})
			got, err := c.Check(r, []byte(body), nil, signedAt.Add(row.late))
			if !errors.Is(err, row.want) {
				t.Errorf("it is %v, want %v", err, row.want)
			}
			if want := strings.ToLower(row.sum); err == nil && (got.ID != "AKIDEXAMPLE" || got.Sum != want) {
				t.Errorf("signed by %s with %s", got.ID, got.Sum)
			}
		})
	}
}

func TestChecker_CoversTheBody(t *testing.T) {
	c := tc3.NewChecker(map[string]string{"AKIDEXAMPLE": "EXAMPLEKEY"})
	for i := range body {
		changed := []byte(body)
		changed[i] ^= 1
		if _, err := c.Check(vector("content-type;host", plainSum), changed, nil, signedAt); !errors.Is(err, tc3.ErrWrong) {
			t.Fatalf("with byte %d changed it is %v", i, err)
		}
	}
}

func TestChecker_ForgetsKeysThatWereReplaced(t *testing.T) {
	c := tc3.NewChecker(map[string]string{"AKIDEXAMPLE": "EXAMPLEKEY"})
	check := func() error {
		_, err := c.Check(vector("content-type;host", plainSum), []byte(body), nil, signedAt)
		return err
	}
	if err := check(); err != nil {
		t.Fatal(err)
	}
	c.SetKeys(map[string]string{"AKIDEXAMPLE": "ROTATED"})
	if err := check(); !errors.Is(err, tc3.ErrWrong) {
		t.Errorf("with the old key it is %v", err)
	}
	c.SetKeys(map[string]string{"AKIDNEXT": "EXAMPLEKEY"})
	if err := check(); !errors.Is(err, tc3.ErrUnknownID) {
		t.Errorf("with the old id it is %v", err)
	}
}

// Version 1: the signatures were worked out with openssl dgst -hmac.
func TestChecker_KnowsTheOlderForms(t *testing.T) {
	const (
		query = "Action=DescribeCaptchaResult&CaptchaAppId=190000001&Nonce=11886&SecretId=AKIDEXAMPLE&Ticket=tr03%2Bt%26x&Timestamp=1700000000&Version=2019-07-22"
		sha1  = "e4MtQFBUpT0QT4muSai+Q2mXVD8="
		sha2  = "Y/7DFGAIFjP7QvZT3B/sm4QxFVW33ar4MgMSpuIRFOk="
	)
	rows := []struct {
		name, method, sum, add string
		late                   time.Duration
		want                   error
	}{
		{"SHA1 by its name", "HmacSHA1", "cb4lb4lbNmEafUTcKZ9yjvJY2xk=", "", 0, nil},
		{"SHA1 without a name", "", sha1, "", 0, nil},
		{"SHA256", "HmacSHA256", sha2, "", 0, nil},
		{"a parameter more", "HmacSHA256", sha2, "&UserIp=192.0.2.7", 0, tc3.ErrWrong},
		{"a parameter twice", "HmacSHA256", sha2, "&Ticket=other", 0, tc3.ErrUnsigned},
		{"the other method", "HmacSHA1", sha2, "", 0, tc3.ErrWrong},
		{"an unknown method", "HmacMD5", sha2, "", 0, tc3.ErrUnsigned},
		{"an empty signature", "HmacSHA256", "", "", 0, tc3.ErrUnsigned},
		{"too late", "HmacSHA256", sha2, "", 301 * time.Second, tc3.ErrExpired},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			params, err := url.ParseQuery(query + row.add)
			if err != nil {
				t.Fatal(err)
			}
			if row.method != "" {
				params.Set("SignatureMethod", row.method)
			}
			params.Set("Signature", row.sum)
			r := httptest.NewRequest(http.MethodPost, "http://"+host+":8443/", strings.NewReader(params.Encode()))
			c := tc3.NewChecker(map[string]string{"AKIDEXAMPLE": "EXAMPLEKEY"})
			if _, err = c.Check(r, []byte(params.Encode()), params, signedAt.Add(row.late)); !errors.Is(err, row.want) {
				t.Errorf("it is %v, want %v", err, row.want)
			}
		})
	}
}

func BenchmarkChecker(b *testing.B) {
	c := tc3.NewChecker(map[string]string{"AKIDEXAMPLE": "EXAMPLEKEY"})
	r := vector("content-type;host", plainSum)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Check(r, []byte(body), nil, signedAt); err != nil {
			b.Fatal(err)
		}
	}
}

// A short header that names a long one again and again would have a long text hashed for
// each request: names that come twice, or are many, are no signature.
func TestChecker_HashesNoMoreThanWasSent(t *testing.T) {
	for _, signed := range []string{
		"content-type;host;" + strings.Repeat("x-long;", 10_000) + "x-end",
		"content-type;host;host",
		"content-type;host;",
		";content-type;host",
		"content-type;host;" + strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyz01234", ""), ";"),
	} {
		r := vector(signed, plainSum)
		r.Header.Set("X-Long", strings.Repeat("x", 30_000))
		c := tc3.NewChecker(map[string]string{"AKIDEXAMPLE": "EXAMPLEKEY"})
		if _, err := c.Check(r, []byte(body), nil, signedAt); !errors.Is(err, tc3.ErrUnsigned) {
			t.Errorf("%.40s…: %v, want %v", signed, err, tc3.ErrUnsigned)
		}
	}
}
