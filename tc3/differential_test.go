package tc3_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tencent "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"

	"captchagate/simulator"
	"captchagate/tc3"
)

// sdkCall is a request as the SDK's product packages write it.
type sdkCall struct {
	*tchttp.BaseRequest

	CaptchaType  *uint64 `json:",omitempty" name:"CaptchaType"`
	Ticket       *string `json:",omitempty" name:"Ticket"`
	UserIp       *string `json:",omitempty" name:"UserIp"`
	Randstr      *string `json:",omitempty" name:"Randstr"`
	CaptchaAppId *uint64 `json:",omitempty" name:"CaptchaAppId"`
	AppSecretKey *string `json:",omitempty" name:"AppSecretKey"`
}

// A wire keeps what the SDK sends.
type wire struct {
	request *http.Request
	body    []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.request = r.Clone(r.Context())
	w.body = nil
	if r.Body != nil {
		w.body, _ = io.ReadAll(r.Body)
	}
	const answer = `{"Response":{"RequestId":"x"}}`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// A way is one in which the SDK signs and sends.
type way struct {
	sign, method, endpoint string
	unsigned               bool
}

var ways = []way{
	{"TC3-HMAC-SHA256", "POST", "captcha.tencentcloudapi.com", false},
	{"TC3-HMAC-SHA256", "POST", "127.0.0.1:8082", false},
	{"TC3-HMAC-SHA256", "POST", "captcha.ap-guangzhou.tencentcloudapi.com", true},
	{"TC3-HMAC-SHA256", "GET", "captcha.tencentcloudapi.com", false},
	{"HmacSHA256", "POST", "captcha.tencentcloudapi.com", false},
	{"HmacSHA256", "GET", "127.0.0.1:8082", false},
	{"HmacSHA1", "POST", "localhost:8082", false},
	{"HmacSHA1", "GET", "captcha.tencentcloudapi.com", false},
}

// clientOf is an SDK client that sends so.
func clientOf(so way, over http.RoundTripper) *tencent.Client {
	p := profile.NewClientProfile()
	p.SignMethod, p.UnsignedPayload, p.DisableRegionBreaker = so.sign, so.unsigned, true
	p.HttpProfile.Endpoint, p.HttpProfile.Scheme, p.HttpProfile.ReqMethod = so.endpoint, "http", so.method
	p.HttpProfile.ReqTimeout = 0
	return new(tencent.Client).Init("ap-guangzhou").WithSecretId(simulator.DefaultSecretID, simulator.DefaultSecretKey).
		WithProfile(p).WithHttpTransport(over)
}

func text(random *rand.Rand) *string {
	const letters = "abcXYZ019-_*@ +&=%验\"\\"
	runes := []rune(letters)
	out := make([]rune, 1+random.IntN(40))
	for i := range out {
		out[i] = runes[random.IntN(len(runes))]
	}
	return new(string(out))
}

// A damage is something that goes wrong with a request on its way, or was wrong with
// its signer. It may leave the request as it is.
type damage func(random *rand.Rand, w *wire)

var damages = []damage{
	func(*rand.Rand, *wire) {}, func(*rand.Rand, *wire) {}, func(*rand.Rand, *wire) {}, // none, a third of the time
	func(_ *rand.Rand, w *wire) { w.request.Host = "captcha.example" },
	func(_ *rand.Rand, w *wire) { w.request.Host = strings.TrimSuffix(w.request.Host, ":8082") },
	func(_ *rand.Rand, w *wire) { w.request.Host += ":9" },
	func(r *rand.Rand, w *wire) { // one bit of a body of JSON: in a form it may be that of a name
		if bytes.HasPrefix(w.body, []byte("{")) {
			w.body[r.IntN(len(w.body))] ^= 1 << r.IntN(8)
		}
	},
	func(_ *rand.Rand, w *wire) { param(w, func(v url.Values) { v.Set("Ticket", v.Get("Ticket")+" ") }) },
	func(r *rand.Rand, w *wire) { change(w, "Signature=", r) },
	func(r *rand.Rand, w *wire) { change(w, "Credential=", r) },
	func(r *rand.Rand, w *wire) { change(w, "/tc3_request", r) },
	func(_ *rand.Rand, w *wire) { replace(w, simulator.DefaultSecretID, "AKIDOTHER") },
	func(_ *rand.Rand, w *wire) { replace(w, "content-type;host", "host") },
	func(_ *rand.Rand, w *wire) { replace(w, "content-type;host", "content-type;host;x-tc-action") },
	func(_ *rand.Rand, w *wire) { replace(w, "HMAC", "MAC") },
	func(_ *rand.Rand, w *wire) { replace(w, "/captcha/", "/cvm/") },
	func(r *rand.Rand, w *wire) { // a clock that is off, after signing
		w.request.Header.Set("X-TC-Timestamp", fmt.Sprint(time.Now().Unix()+r.Int64N(1200)-600))
	},
	func(_ *rand.Rand, w *wire) { w.request.Header.Set("X-TC-Timestamp", "soon") },
	func(_ *rand.Rand, w *wire) { w.request.Header.Set("X-TC-Content-SHA256", "UNSIGNED-PAYLOAD") },
	func(_ *rand.Rand, w *wire) { w.request.Header.Del("X-TC-Content-SHA256") },
	func(_ *rand.Rand, w *wire) { w.request.Header.Set("Content-Type", "application/json; charset=utf-8") },
	func(r *rand.Rand, _ *wire) { time.Sleep(time.Duration(r.IntN(600)) * time.Second) }, // late
	func(_ *rand.Rand, w *wire) { param(w, func(v url.Values) { v.Set("UserIp", "203.0.113.9") }) },
	func(_ *rand.Rand, w *wire) { param(w, func(v url.Values) { v.Set("SignatureMethod", "HmacSHA1") }) },
	func(_ *rand.Rand, w *wire) { param(w, func(v url.Values) { v.Set("SecretId", "AKIDOTHER") }) },
	func(_ *rand.Rand, w *wire) { param(w, func(v url.Values) { v.Set("Signature", "AAAA") }) },
	func(r *rand.Rand, w *wire) {
		param(w, func(v url.Values) { v.Set("Timestamp", fmt.Sprint(time.Now().Unix()+r.Int64N(1200)-600)) })
	},
}

// change flips a letter near a mark of the Authorization header.
func change(w *wire, mark string, random *rand.Rand) {
	header := []byte(w.request.Header.Get("Authorization"))
	at := strings.Index(string(header), mark)
	if at < 0 {
		return
	}
	if at += random.IntN(len(mark) + 20); at < len(header) {
		header[at] = "0123456789abcdefxyz/,;= "[random.IntN(24)]
		w.request.Header.Set("Authorization", string(header))
	}
}

func replace(w *wire, old, new string) {
	if header := w.request.Header.Get("Authorization"); header != "" {
		w.request.Header.Set("Authorization", strings.Replace(header, old, new, 1))
	}
}

// param changes the parameters of a form or query.
func param(w *wire, change func(url.Values)) {
	if w.request.Method == http.MethodGet {
		values := w.request.URL.Query()
		change(values)
		w.request.URL.RawQuery = values.Encode()
		return
	}
	if values, err := url.ParseQuery(string(w.body)); err == nil && values.Has("Signature") {
		change(values)
		w.body = []byte(values.Encode())
	}
}

// Requests signed by the SDK, good and damaged, are decided as the simulator does,
// which has a checker of its own. It costs some 2 s, under the race detector 10.
func TestChecker_DecidesAsTheSimulator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests = 10_000
		random := rand.New(rand.NewPCG(18, 3))
		sim := simulator.New(simulator.Config{Latency: simulator.NoLatency, Seed: 1})
		checker := tc3.NewChecker(map[string]string{simulator.DefaultSecretID: simulator.DefaultSecretKey})
		said := map[string]int{}
		for i := range requests {
			w := new(wire)
			so := ways[i%len(ways)]
			call := &sdkCall{
				BaseRequest: new(tchttp.BaseRequest).Init().WithApiInfo("captcha", "2019-07-22", "DescribeCaptchaResult"),
				CaptchaType: new(uint64(9)), Ticket: text(random), UserIp: new("192.0.2.7"), Randstr: text(random),
				CaptchaAppId: new(simulator.DefaultAppID), AppSecretKey: new(simulator.DefaultAppSecretKey),
			}
			if err := clientOf(so, w).Send(call, &struct{ *tchttp.BaseResponse }{new(tchttp.BaseResponse)}); err != nil {
				t.Fatal(err)
			}
			number := random.IntN(len(damages))
			damages[number](random, w)
			ours, theirs := decided(checker, w), simulated(t, sim, w)
			if ours != theirs {
				t.Fatalf("request %d by %+v with damage %d: %q here, %q there\n%s %s %v\n%s", i, so, number, ours, theirs, w.request.Method, w.request.URL, w.request.Header, w.body)
			}
			said[ours]++
		}
		t.Log(said)
		if said["signed"] < requests/4 || said["AuthFailure.SignatureFailure"] < requests/10 || said["AuthFailure.SignatureExpire"] < 100 || len(said) < 6 {
			t.Errorf("the requests were not of all kinds: %v", said)
		}
	})
}

// decided is the code with which the checker refuses a request, or "signed".
func decided(c *tc3.Checker, w *wire) string {
	w.request.ContentLength = int64(len(w.body))
	params := w.request.URL.Query()
	if w.request.Method == http.MethodPost {
		params, _ = url.ParseQuery(string(w.body))
	}
	_, err := c.Check(w.request, w.body, params, time.Now())
	if refused, ok := errors.AsType[*tc3.Refusal](err); ok {
		return refused.Code
	}
	return "signed"
}

// simulated is the same of the simulator. What it looks at before or after the
// signature is none.
func simulated(t *testing.T, s *simulator.Simulator, w *wire) string {
	t.Helper()
	r := w.request.Clone(t.Context())
	r.Body = io.NopCloser(bytes.NewReader(w.body))
	resp, err := s.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Response struct {
			Error struct{ Code, Message string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	code := got.Response.Error.Code
	if strings.HasPrefix(code, "AuthFailure.") || strings.Contains(got.Response.Error.Message, "The time ") {
		return code
	}
	return "signed"
}
