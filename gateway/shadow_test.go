package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/sla"
	"captchagate/tc3"
)

// inShadow has callers get what the API says, with a scene that would let a few in.
func inShadow(c *config.Config) {
	c.DropIn = public.DropIn{Scene: "comment", Shadow: true}
	c.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 3, Per: time.Hour}, For: time.Minute}}
}

// A wiretap is what came back from the API: how, after which time.
type wiretap struct {
	status int
	body   string
	broken bool // the answer ended early, or there was none
	took   time.Duration
}

// directCall asks the simulated API as somebody without a gateway does.
func (h *house) directCall(ticket string) (got wiretap) {
	defer func(began time.Time) { got.took = time.Since(began) }(time.Now())
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	r := h.signedCall(ticket).WithContext(ctx)
	resp, err := h.sim.RoundTrip(r)
	if err != nil {
		return wiretap{broken: true}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return wiretap{status: resp.StatusCode, body: string(body), broken: err != nil}
}

// shadowCall asks through the gateway.
func (h *house) shadowCall(ticket string) (got wiretap, header http.Header) {
	w := httptest.NewRecorder()
	defer func(began time.Time) {
		got, header = wiretap{w.Code, w.Body.String(), false, time.Since(began)}, w.Header()
		if cut := recover(); cut != nil {
			if err, ok := cut.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(cut)
			}
			got.broken = true
		}
	}(time.Now())
	h.g.Handler().ServeHTTP(w, h.signedCall(ticket))
	return got, header
}

// signedCall is one that the drop-in and the API both take.
func (h *house) signedCall(ticket string) *http.Request {
	var made *http.Request
	s := &sdk{id: simulator.DefaultSecretID, key: simulator.DefaultSecretKey, at: caught{&made}}
	_, _ = s.asks(h.t, simulator.Ticket{Ticket: ticket, Randstr: "@abc"}, false, nil)
	made.RemoteAddr, made.RequestURI = "127.0.0.1:40000", ""
	return made
}

// caught keeps what the SDK sends, and sends nothing.
type caught struct{ request **http.Request }

func (c caught) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	*c.request = httptest.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, r.URL.String(), strings.NewReader(string(body)))
	(*c.request).Header = r.Header
	return nil, errors.New("nothing is sent")
}

// withoutID takes out of an answer what is another in each.
func withoutID(body string) string {
	before, after, found := strings.Cut(body, `"RequestId":"`)
	if !found || len(after) < 36 {
		return body
	}
	return before + after[36:]
}

// In shadow callers get what the API does, byte for byte and as late as it came.
func TestShadow_ChangesNothingForCallers(t *testing.T) {
	inHouse(t, inShadow, func(h *house) {
		for _, kind := range []simulator.Kind{
			simulator.None, simulator.InternalError, simulator.CaptchaCode26, simulator.HTTP502, simulator.Reset, simulator.Empty,
			simulator.HalfBody, simulator.AuthFailure, simulator.Arrears, simulator.Slow,
		} {
			h.breaks(simulator.Fault{Kind: kind, Latency: 7 * time.Second, Consume: new(false)})
			time.Sleep(time.Minute)
			want := h.directCall("tr03-forged")
			got, header := h.shadowCall("tr03-forged")
			if got.broken && got.status == http.StatusOK && got.body == "" {
				got.status = 0 // a recorder's own
			}
			want.body, got.body = withoutID(want.body), withoutID(got.body)
			if got != want {
				t.Errorf("%s: through the gateway\n%+v, directly\n%+v", kind, got, want)
			}
			if header.Get("X-Gateway-Decision") == "" || header.Get("X-Gateway-Decision-Id") == "" {
				t.Errorf("%s: %v", kind, header)
			}
		}
	})
}

// An answer that never comes is waited for as long as the caller waits, and 60 s.
func TestShadow_WaitsAMinute(t *testing.T) {
	inHouse(t, inShadow, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		if got, _ := h.shadowCall("tr03-x"); got.status != http.StatusGatewayTimeout || got.took != time.Minute {
			t.Errorf("it is %d after %v", got.status, got.took)
		}
	})
}

// The circuit opens and closes as ever and holds no call back; what would have been
// decided is counted, and spends nothing. The service levels count every call, those that
// are made while the circuit is open too (O2).
func TestShadow_PlaysAnOutageBesideTheCallers(t *testing.T) {
	inHouse(t, inShadow, func(h *house) {
		var calls sync.WaitGroup
		var mu sync.Mutex
		byAPI := map[string]int{}
		ask := func(n int) {
			for range n {
				time.Sleep(10 * time.Millisecond)
				ticket := h.ticket(simulator.TicketValid)
				calls.Go(func() {
					got, header := h.shadowCall(ticket.Ticket)
					mu.Lock()
					defer mu.Unlock()
					byAPI[fmt.Sprintf("%d %s", got.status, header.Get("X-Gateway-Decision"))]++
				})
			}
			calls.Wait()
		}
		ask(100)
		asked := h.sim.Stats().Requests
		if asked != 100 {
			t.Fatalf("in peace %d calls of 100 reached the API", asked)
		}
		h.breaks(simulator.Fault{Kind: simulator.HTTP502})
		ask(300)
		if got := h.status().Breaker.State; got != "open" {
			t.Errorf("in the outage the circuit is %s", got)
		}
		byAction := h.sim.Stats().ByAction
		h.sim.ClearFault()
		h.awaits("closed", 20*time.Second)
		if n := h.sim.Stats().ByAction["DescribeCaptchaResult"]; n < 400 || n > 420 {
			t.Errorf("of 400 calls and some probes %d reached the API (%v)", n, byAction)
		}
		time.Sleep(10 * time.Second) // what the circuit released is judged by then
		var levels sla.Report
		told, _ := h.send(h.operators, "GET", "/admin/v1/sla", "")
		if err := json.Unmarshal(told.Body.Bytes(), &levels); err != nil {
			t.Fatal(err)
		}
		if s := h.sim.Stats(); levels.Requests != s.Requests || levels.Failed != s.ByFault[simulator.HTTP502] || levels.Claim.Spared != 0 {
			t.Errorf("the service levels have %d of %d requests failed and %d spared, the API %d of %d", levels.Failed, levels.Requests, levels.Claim.Spared, s.ByFault[simulator.HTTP502], s.Requests)
		}
		metrics, _ := h.send(h.operators, "GET", "/metrics", "")
		for _, want := range []string{`captchagate_shadow_total{would="allow"} 300`, `captchagate_shadow_total{would="deny"} 100`} {
			if !strings.Contains(metrics.Body.String(), want+"\n") {
				t.Errorf("the metrics lack %s", want)
			}
		}
		for line := range strings.Lines(metrics.Body.String()) {
			if strings.HasPrefix(line, "captchagate_decisions_total") && !strings.HasSuffix(line, " 0\n") {
				t.Errorf("it counts as decided: %s", line)
			}
		}
		if byAPI["502 allow"] != 300 {
			t.Errorf("callers got %v", byAPI)
		}
		if !strings.Contains(h.log.String(), "shadow=true") {
			t.Error("the log tells of no decision in shadow")
		}
	})
}

// In shadow every call that is signed rightly goes to the API, and none but those that
// verify in the name of upstream's account, which may be allowed more (S12).
func TestShadow_LendsNobodyTheAccount(t *testing.T) {
	inHouse(t, func(c *config.Config) {
		inShadow(c)
		c.DropIn.Credentials = []public.Credential{{SecretID: "AKIDSHOP", SecretKey: "key-of-the-shop"}}
	}, func(h *house) {
		h.scripted.Store(new(`{"Response":{"RequestId":"1"}}`))
		for _, row := range []struct{ id, key, action, signer string }{
			{"AKIDSHOP", "key-of-the-shop", "DescribeCaptchaUserAllAppId", "AKIDSHOP"},
			{"AKIDSHOP", "key-of-the-shop", "DescribeCaptchaResult", simulator.DefaultSecretID},
			{simulator.DefaultSecretID, simulator.DefaultSecretKey, "DescribeCaptchaUserAllAppId", simulator.DefaultSecretID},
		} {
			r := h.signedCall("tr03-forged")
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			signer := tc3.NewSigner(row.id, row.key, "captcha", "content-type;host", "content-type:"+r.Header.Get("Content-Type")+"\nhost:"+r.Host+"\n")
			now := time.Now().Unix()
			r.Header.Set("X-TC-Action", row.action)
			r.Header.Set("X-TC-Language", "zh-CN")
			r.Header.Set("X-TC-Timestamp", fmt.Sprint(now))
			r.Header.Set("Authorization", signer.Authorization(body, now))
			w := httptest.NewRecorder()
			h.g.Handler().ServeHTTP(w, r)
			if got := *h.sender.Load(); w.Body.String() != *h.scripted.Load() || !strings.Contains(got, "Credential="+row.signer+"/") {
				t.Errorf("%s, %s: %s, signed %s, want it signed by %s", row.id, row.action, w.Body, got, row.signer)
			}
			if got := *h.language.Load(); got != "zh-CN" {
				t.Errorf("%s, %s: the API was asked in %q, want the caller's zh-CN", row.id, row.action, got)
			}
		}
	})
}
