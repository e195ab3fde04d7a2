package simulator_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/simulator"
)

const vectorBody = `{"CaptchaType":9,"Ticket":"tr03test","UserIp":"127.0.0.1","Randstr":"@abc","CaptchaAppId":190000001,"AppSecretKey":"appsecret"}`

// vectorCall is the call of the published vectors, made at 1700000000.
func vectorCall(t *testing.T, host, contentType, signedHeaders, signature string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+"/", strings.NewReader(vectorBody))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-TC-Action", "DescribeCaptchaResult")
	r.Header.Set("X-TC-Version", "2019-07-22")
	r.Header.Set("X-TC-Timestamp", "1700000000")
	r.Header.Set("Authorization", "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/captcha/tc3_request, SignedHeaders="+
		signedHeaders+", Signature="+signature)
	return r
}

const (
	plainMAC    = "cba085cad94c035d648642e37ecac3f838d66423dd1a151e1decc84c3a8c01b7"
	extendedMAC = "7f3191e05291c5ec1dfb9968d9085be9aa092bd9186c61bf12eda89ba1f064b0"
	charset     = "application/json; charset=utf-8"
)

func TestSignature_FollowsTheVectors(t *testing.T) {
	const host = "captcha.tencentcloudapi.com"
	const forged = "15" // the signature was right: the ticket itself is judged
	rows := []struct {
		name, host, contentType, headers, mac, want string
		late                                        time.Duration
	}{
		{"two headers signed", host, "application/json", "content-type;host", plainMAC, forged, 0},
		{"action signed too", host, charset, "content-type;host;x-tc-action", extendedMAC, forged, 0},
		{"host signed without its port", host + ":8443", "application/json", "content-type;host", plainMAC, forged, 0},
		{"another host", "captcha.example", "application/json", "content-type;host", plainMAC, "AuthFailure.SignatureFailure", 0},
		{"another content type", host, charset, "content-type;host", plainMAC, "AuthFailure.SignatureFailure", 0},
		{"one digit off", host, "application/json", "content-type;host", "d" + plainMAC[1:], "AuthFailure.SignatureFailure", 0},
		{"host not signed", host, "application/json", "content-type", plainMAC, "AuthFailure.SignatureFailure", 0},
		{"not hex", host, "application/json", "content-type;host", "zz", "AuthFailure.InvalidAuthorization", 0},
		{"five minutes late", host, "application/json", "content-type;host", plainMAC, forged, 5 * time.Minute},
		{"later than that", host, "application/json", "content-type;host", plainMAC, "AuthFailure.SignatureExpire", 5*time.Minute + time.Second},
		{"five minutes early", host, "application/json", "content-type;host", plainMAC, forged, -5 * time.Minute},
		{"earlier than that", host, "application/json", "content-type;host", plainMAC, "AuthFailure.SignatureExpire", -5*time.Minute - time.Second},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(1700000000, 0).Add(row.late)))
				s := simulator.New(simulator.Config{
					SecretID: "AKIDEXAMPLE", SecretKey: "EXAMPLEKEY",
					Apps: map[uint64]string{190000001: "appsecret"},
				})
				got := send(s, vectorCall(t, row.host, row.contentType, row.headers, row.mac))
				if got.what() != row.want || got.status != http.StatusOK {
					t.Errorf("answer is %s with status %d, want %s with 200", got.what(), got.status, row.want)
				}
			})
		})
	}
}

func TestSignature_CoversTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		r := request(t.Context(), "http://captcha.test", web, callFor(issue(t, s, "valid")))
		other := request(t.Context(), "http://captcha.test", web, callFor(issue(t, s, "valid")))
		r.Header.Set("Authorization", other.Header.Get("Authorization"))
		if got := send(s, r).what(); got != "AuthFailure.SignatureFailure" {
			t.Errorf("a signature of another body gives %s", got)
		}
	})
}

func TestSignature_IsOfTheDayOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		for day, want := range map[string]string{"2000-01-01": "15", "1999-12-31": "AuthFailure.SignatureFailure"} {
			r := request(t.Context(), "http://captcha.test", web, callFor(simulator.Ticket{Ticket: "t", Randstr: "@r"}))
			body, err := r.GetBody()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			signOn(r, text, time.Now(), day)
			if got := send(s, r).what(); got != want {
				t.Errorf("signed on %s the answer is %s, want %s", day, got, want)
			}
		}
	})
}

func TestCall_IsRefusedInTencentsWords(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set(name, value)
			if value == "" {
				r.Header.Del(name)
			}
		}
	}
	asIs := func(*http.Request) {}
	whole := callFor(simulator.Ticket{Ticket: "t", Randstr: "@r"})
	rows := []struct {
		name   string
		action string
		body   fields
		change func(*http.Request)
		want   string
	}{
		{"no action", web, whole, header("X-TC-Action", ""), "MissingParameter"},
		{"other action", "DescribeInstances", whole, asIs, "InvalidAction"},
		{"no version", web, whole, header("X-TC-Version", ""), "MissingParameter"},
		{"other version", web, whole, header("X-TC-Version", "2017-03-12"), "NoSuchVersion"},
		{"no time", web, whole, header("X-TC-Timestamp", ""), "MissingParameter"},
		{"time in words", web, whole, header("X-TC-Timestamp", "now"), "InvalidParameter"},
		{"no authorization", web, whole, header("Authorization", ""), "MissingParameter"},
		{"other scheme", web, whole, header("Authorization", "Bearer x"), "AuthFailure.InvalidAuthorization"},
		{"form body", web, whole, header("Content-Type", "application/x-www-form-urlencoded"), "InvalidParameter"},
		{"unknown id", web, whole, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), simulator.DefaultSecretID, "AKIDOTHER", 1))
		}, "AuthFailure.SecretIdNotFound"},
		{"no ticket", web, whole.with("Ticket", nil), asIs, "MissingParameter"},
		{"no randstr", web, whole.with("Randstr", nil), asIs, "MissingParameter"},
		{"null user ip", web, whole.with("UserIp", struct{ X *int }{}.X), asIs, "MissingParameter"},
		{"randstr to mini", mini, whole, asIs, "UnknownParameter"},
		{"unknown parameter", web, whole.with("Extra", 1), asIs, "UnknownParameter"},
		{"wrong case", web, whole.with("Ticket", nil).with("ticket", "t"), asIs, "MissingParameter"},
		{"app id as text", web, whole.with("CaptchaAppId", "190000001"), asIs, "InvalidParameter"},
		{"ticket as number", web, whole.with("Ticket", 7), asIs, "InvalidParameter"},
		{"other captcha type", web, whole.with("CaptchaType", 8), asIs, "InvalidParameterValue"},
		{"bad address", web, whole.with("UserIp", "1.2.3"), asIs, "InvalidParameterValue"},
		{"over the size", web, whole.with("Imei", strings.Repeat("x", 1<<20)), asIs, "RequestSizeLimitExceeded"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := request(t.Context(), "http://captcha.test", row.action, row.body)
				row.change(r)
				got := send(simulator.New(simulator.Config{}), r)
				if got.what() != row.want || got.status != http.StatusOK || got.response.RequestId == "" {
					t.Errorf("answer is %s (status %d, request id %q), want %s", got.what(), got.status, got.response.RequestId, row.want)
				}
			})
		})
	}
}
