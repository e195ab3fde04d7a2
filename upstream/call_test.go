package upstream_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"

	"github.com/prometheus/client_golang/prometheus"
)

const passes = `{"Response":{"CaptchaCode":1,"CaptchaMsg":"OK","EvilLevel":0,"RequestId":"r"}}`

// A recorder answers and keeps what it was asked.
type recorder struct {
	answer   string
	requests []*http.Request
	bodies   []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	r.requests, r.bodies = append(r.requests, req), append(r.bodies, string(body))
	return response(200, r.answer), err
}

func (r *recorder) fields(t *testing.T, i int) map[string]any {
	t.Helper()
	fields := map[string]any{}
	if err := json.Unmarshal([]byte(r.bodies[i]), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestVerify_SendsWhatTheAPIWants(t *testing.T) {
	headers := []string{
		"Authorization", "Content-Type", "X-Tc-Action", "X-Tc-Language", "X-Tc-Requestclient", "X-Tc-Timestamp", "X-Tc-Version",
	}
	rows := []struct {
		name, action string
		ticket       captcha.Ticket
		fields       map[string]any
	}{
		{"web", "DescribeCaptchaResult", webTicket(), map[string]any{
			"CaptchaType": 9.0, "Ticket": ticketValue, "UserIp": "203.0.113.7", "Randstr": randstr,
			"CaptchaAppId": float64(appID), "AppSecretKey": appSecretKey,
		}},
		{"mini", "DescribeCaptchaMiniResult", miniTicket(), map[string]any{
			"CaptchaType": 9.0, "Ticket": ticketValue, "UserIp": "203.0.113.7",
			"CaptchaAppId": float64(appID), "AppSecretKey": appSecretKey,
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			api := &recorder{answer: passes}
			c := newClientAt(t, "http://127.0.0.1:9000", api, prometheus.NewRegistry())
			if _, err := c.Verify(t.Context(), row.ticket); err != nil {
				t.Fatal(err)
			}
			if got := api.fields(t, 0); !maps.Equal(got, row.fields) {
				t.Errorf("body is %v, want %v", got, row.fields)
			}
			r := api.requests[0]
			if r.Method != "POST" || r.URL.String() != "http://127.0.0.1:9000/" || r.Host != "127.0.0.1:9000" {
				t.Errorf("asked %s %s, host %s", r.Method, r.URL, r.Host)
			}
			if r.Header.Get("X-TC-Action") != row.action || r.Header.Get("X-TC-Version") != "2019-07-22" {
				t.Errorf("headers are %v", r.Header)
			}
			// An idempotency key among them would make net/http ask twice.
			if got := slices.Sorted(maps.Keys(r.Header)); !slices.Equal(got, headers) || r.Header.Get("X-TC-Language") != "en-US" {
				t.Errorf("headers are %v, want %v", r.Header, headers)
			}
			if a := r.Header.Get("Authorization"); !strings.HasPrefix(a, "TC3-HMAC-SHA256 Credential="+secretID+"/") || !strings.Contains(a, "/captcha/tc3_request") {
				t.Errorf("authorization is %q", a)
			}
		})
	}
}

func TestVerify_SendsRegionWhereConfigured(t *testing.T) {
	api := &recorder{answer: passes}
	cfg := config("https://captcha.example/")
	cfg.Region = "ap-guangzhou"
	c := mustNew(t, cfg, api)
	if _, err := c.Verify(t.Context(), webTicket()); err != nil {
		t.Fatal(err)
	}
	if r := api.requests[0]; r.Header.Get("X-TC-Region") != "ap-guangzhou" || r.URL.String() != "https://captcha.example/" {
		t.Errorf("region %q, asked %s", r.Header.Get("X-TC-Region"), r.URL)
	}
}

func TestVerify_AppIDPicksTheKey(t *testing.T) {
	api := &recorder{answer: passes}
	cfg := config("https://captcha.example")
	cfg.Apps = append(cfg.Apps, appWith(190000002, "theotherkey"))
	c := mustNew(t, cfg, api)
	ticket := webTicket()
	ticket.AppID = 190000002
	if _, err := c.Verify(t.Context(), ticket); err != nil {
		t.Fatal(err)
	}
	if f := api.fields(t, 0); f["AppSecretKey"] != "theotherkey" || f["CaptchaAppId"] != 190000002.0 {
		t.Errorf("sent %v", f)
	}
}

func TestVerify_WritesAddressesPlainly(t *testing.T) {
	for given, sent := range map[string]string{
		"::ffff:203.0.113.7": "203.0.113.7", "2001:db8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1", "": "",
	} {
		api := &recorder{answer: passes}
		ticket := webTicket()
		ticket.UserIP = netip.Addr{}
		if given != "" {
			ticket.UserIP = netip.MustParseAddr(given)
		}
		if _, err := newClient(t, api).Verify(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		if got := api.fields(t, 0)["UserIp"]; got != sent {
			t.Errorf("%q is sent as %q, want %q", given, got, sent)
		}
	}
}

// There is one host, however the calls end: the SDK's region breaker would take
// successes for failures and move on after five of them.
func TestVerify_StaysOnItsHost(t *testing.T) {
	for name, answer := range map[string]string{"healthy": passes, "ill": sampleInternalError} {
		t.Run(name, func(t *testing.T) {
			api := &recorder{answer: answer}
			c := newClient(t, api)
			for range 20 {
				_, _ = c.Verify(t.Context(), webTicket())
			}
			if n := len(api.requests); n != 20 {
				t.Errorf("asked %d times, want 20", n)
			}
			if i := slices.IndexFunc(api.requests, func(r *http.Request) bool { return r.URL.Host != "captcha.example" }); i >= 0 {
				t.Errorf("call %d went to %s", i, api.requests[i].URL.Host)
			}
		})
	}
}

// One call is one attempt. Whether to ask again is the breaker's to say.
func TestVerify_AsksOnceWhenThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &recorder{answer: `{"Response":{"Error":{"Code":"RequestLimitExceeded","Message":"m"},"RequestId":"r"}}`}
		began := time.Now()
		_, err := newClient(t, api).Verify(t.Context(), webTicket())
		throttled.check(t, err)
		if len(api.requests) != 1 || time.Since(began) != 0 {
			t.Errorf("asked %d times in %v", len(api.requests), time.Since(began))
		}
	})
}

func TestVerify_SignsEachAttemptAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &recorder{answer: passes}
		c := newClient(t, api)
		for i := range 3 {
			time.Sleep(10 * time.Minute) // twice what a signature lives
			if _, err := c.Verify(t.Context(), webTicket()); err != nil {
				t.Fatal(err)
			}
			if got, now := api.requests[i].Header.Get("X-TC-Timestamp"), strconv.FormatInt(time.Now().Unix(), 10); got != now {
				t.Errorf("attempt %d is signed at %s, now is %s", i, got, now)
			}
		}
		if a, b := api.requests[0].Header.Get("Authorization"), api.requests[1].Header.Get("Authorization"); a == b {
			t.Error("two attempts have one signature")
		}
	})
}
