package simulator_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"testing"
	"time"

	"captchagate/simulator"
)

const (
	web  = "DescribeCaptchaResult"
	mini = "DescribeCaptchaMiniResult"
	disa = "trerror_1001_190000001_1700000000"
)

// fields are the parameters of a call.
type fields map[string]any

func callFor(ticket simulator.Ticket) fields {
	return fields{
		"CaptchaType": 9, "Ticket": ticket.Ticket, "UserIp": "192.0.2.7", "Randstr": ticket.Randstr,
		"CaptchaAppId": simulator.DefaultAppID, "AppSecretKey": simulator.DefaultAppSecretKey,
	}
}

// with is a copy of f with one field set; nil takes it away.
func (f fields) with(name string, value any) fields {
	out := maps.Clone(f)
	out[name] = value
	if value == nil {
		delete(out, name)
	}
	return out
}

// request is a call signed for the simulator's default account.
func request(ctx context.Context, base, action string, f fields) *http.Request {
	body, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-TC-Action", action)
	r.Header.Set("X-TC-Version", "2019-07-22")
	sign(r, body, time.Now())
	return r
}

func sign(r *http.Request, body []byte, now time.Time) {
	signOn(r, body, now, now.UTC().Format(time.DateOnly))
}

// signOn signs under a day that need not be that of now.
func signOn(r *http.Request, body []byte, now time.Time, day string) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	scope := day + "/captcha/tc3_request"
	canonical := fmt.Sprintf("POST\n/\n\ncontent-type:%s\nhost:%s\n\ncontent-type;host\n%x",
		r.Header.Get("Content-Type"), r.URL.Host, sha256.Sum256(body))
	text := fmt.Sprintf("TC3-HMAC-SHA256\n%s\n%s\n%x", stamp, scope, sha256.Sum256([]byte(canonical)))
	key := []byte("TC3" + simulator.DefaultSecretKey)
	for _, part := range []string{day, "captcha", "tc3_request", text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	r.Header.Set("X-TC-Timestamp", stamp)
	r.Header.Set("Authorization", "TC3-HMAC-SHA256 Credential="+simulator.DefaultSecretID+"/"+scope+
		", SignedHeaders=content-type;host, Signature="+hex.EncodeToString(key))
}

// response is what a caller reads out of an answer.
type response struct {
	CaptchaCode        *int
	CaptchaMsg         *string
	EvilLevel          *int
	GetCaptchaTime     *int64
	SubmitCaptchaTime  *int64
	EvilBitmap         *int64
	DeviceRiskCategory *string
	Score              *int
	RequestId          string
	Error              *struct{ Code, Message string }
}

// result is how one call ended.
type result struct {
	status   int
	header   http.Header
	body     []byte
	err      error // of the trip, or of reading the body
	response response
	took     time.Duration
}

// what names a result shortly: a CaptchaCode, an error code, or neither.
func (r result) what() string {
	switch {
	case r.response.Error != nil:
		return r.response.Error.Code
	case r.response.CaptchaCode != nil:
		return strconv.Itoa(*r.response.CaptchaCode)
	default:
		return "nothing"
	}
}

func send(rt http.RoundTripper, r *http.Request) (out result) {
	start := time.Now()
	defer func() { out.took = time.Since(start) }()
	resp, err := rt.RoundTrip(r)
	if err != nil {
		out.err = err
		return out
	}
	defer resp.Body.Close()
	out.status, out.header = resp.StatusCode, resp.Header
	out.body, out.err = io.ReadAll(resp.Body)
	var parsed struct{ Response response }
	if json.Unmarshal(out.body, &parsed) == nil {
		out.response = parsed.Response
	}
	return out
}

// ask verifies a ticket in process.
func ask(t *testing.T, s *simulator.Simulator, ticket simulator.Ticket) result {
	t.Helper()
	return send(s, request(t.Context(), "http://captcha.test", web, callFor(ticket)))
}

func issue(t *testing.T, s *simulator.Simulator, kind string) simulator.Ticket {
	t.Helper()
	tickets, err := s.Issue(kind, 1)
	if err != nil {
		t.Fatal(err)
	}
	return tickets[0]
}

func set(t *testing.T, s *simulator.Simulator, f simulator.Fault) {
	t.Helper()
	if err := s.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

// control sends a control call and returns its status and body.
func control(t *testing.T, rt http.RoundTripper, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	out := send(rt, r)
	if out.err != nil {
		t.Fatalf("%s %s: %v", method, url, out.err)
	}
	return out.status, string(out.body)
}

// listen serves s on loopback until the test ends.
func listen(t *testing.T, s *simulator.Simulator) (base string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Serve(ctx, "127.0.0.1:0", func(address string) { ready <- address }) }()
	select {
	case address := <-ready:
		base = "http://" + address
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve ended with %v", err)
		}
	})
	return base
}

// keepAlive is a client of its own, so that no test meets another's connections.
func keepAlive(t *testing.T) *http.Transport {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}
