package gateway_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/config"
	"captchagate/gateway"
	"captchagate/simulator"
	"captchagate/store"
	"captchagate/store/redis/redistest"
)

// A far API says what time it is there.
type farAPI struct {
	*simulator.Simulator
	ahead time.Duration
	away  bool
}

func (f *farAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.away {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
	}
	answer, err := f.Simulator.RoundTrip(r)
	if err == nil {
		answer.Header.Set("Date", time.Now().Add(f.ahead).UTC().Format(http.TimeFormat))
	}
	return answer, err
}

// O1: what check --online finds, before any user is denied.
func TestCheckOnline_FindsWhatWouldDenyEverybody(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(c *config.Config, api *farAPI)
		want   []string // of the app, "" = all is well
		script string
	}{
		{name: "all is well", want: []string{"clock right, account accepted, code 21"}, script: "loads in"},
		{name: "another app's key", want: []string{"FAILED", "code 100", "app_secret_key"}, script: "loads in",
			change: func(c *config.Config, _ *farAPI) { c.Upstream.Apps[0].AppSecretKey = "another" }},
		{name: "an app id that the API does not know", want: []string{"FAILED", "code 16", "captcha_app_id"}, script: "loads in",
			change: func(c *config.Config, _ *farAPI) { c.Upstream.Apps[0].CaptchaAppID = 190000009 }},
		{name: "a wrong secret key", want: []string{"FAILED", "NOT accepted", "AuthFailure", "secret_key"}, script: "loads in",
			change: func(c *config.Config, _ *farAPI) { c.Upstream.SecretKey = "another" }},
		{name: "arrears", want: []string{"FAILED", "NOT accepted", "arrears"}, script: "loads in",
			change: func(_ *config.Config, api *farAPI) { _ = api.SetFault(simulator.Fault{Kind: "arrears"}) }},
		{name: "a clock an hour late", want: []string{"clock WRONG by -1h0m0s"}, script: "loads in",
			change: func(_ *config.Config, api *farAPI) { api.ahead = time.Hour }},
		{name: "a clock that is a little off", want: []string{"clock off by 1m30s"}, script: "loads in",
			change: func(_ *config.Config, api *farAPI) { api.ahead = -90 * time.Second }},
		{name: "nothing answers", want: []string{"FAILED", "not reached", "no route to host", "upstream.endpoint"}, script: "FAILED",
			change: func(_ *config.Config, api *farAPI) { api.away = true }},
		{name: "no script probe", want: []string{"code 21"}, script: "not asked for",
			change: func(c *config.Config, _ *farAPI) { c.ScriptProbe.URL = "" }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(today))
				cfg := testConfig(t.TempDir())
				api := &farAPI{Simulator: simulator.New(accountOf(cfg))}
				cfg.ScriptProbe.URL = "http://captcha.test/TJCaptcha.js"
				if row.change != nil {
					row.change(&cfg, api)
				}
				found, err := gateway.CheckOnline(t.Context(), cfg, api)
				if err != nil || len(found) != 2 {
					t.Fatalf("%v, %v", found, err)
				}
				for i, wants := range [][]string{row.want, {row.script}} {
					text := found[i].Text
					if !found[i].OK {
						text = "FAILED " + text
					}
					for _, want := range wants {
						if !strings.Contains(text, want) {
							t.Errorf("%s: %q lacks %q", found[i].About, text, want)
						}
					}
				}
				if strings.Contains(found[0].Text, "simulator-secret") {
					t.Errorf("a secret is in %q", found[0].Text)
				}
			})
		})
	}
}

// Of a fleet's Redis too it says what came, and what to do where that is not right. It
// only reads there.
func TestCheckOnline_LooksAtRedis(t *testing.T) {
	server := redistest.Start(t)
	look := func(redis, secret string) (gateway.Finding, string) {
		t.Helper()
		cfg := testConfig(t.TempDir())
		cfg.ScriptProbe.URL = ""
		cfg.Store.Redis, cfg.Store.Secret = store.Redis{redis}, secret
		found, err := gateway.CheckOnline(t.Context(), cfg, &farAPI{Simulator: simulator.New(accountOf(cfg))})
		if err != nil || len(found) != 3 || found[2].About != "store.redis" {
			t.Fatalf("%v, %v", found, err)
		}
		return found[2], found[2].Text
	}
	const secret = "the secret of one fleet"
	if f, text := look(server.URL(), secret); !f.OK || !strings.HasPrefix(text, "reached in ") || !strings.Contains(text, ", version ") || !strings.HasSuffix(text, "there: 0") {
		t.Errorf("all is well: %+v", f)
	}
	if keys := server.Do("DBSIZE"); keys != ":0\r\n" {
		t.Errorf("it wrote: DBSIZE is %s", keys)
	}
	server.Do("CONFIG SET maxmemory-policy allkeys-lru")
	if f, text := look(server.URL(), secret); f.OK || !strings.Contains(text, "set it to noeviction") {
		t.Errorf("what is evicted: %+v", f)
	}
	server.Do("ACL SETUSER default resetpass >another-password")
	if f, text := look(server.URL(), secret); f.OK || !strings.Contains(text, "NOAUTH") || !strings.Contains(text, "look at the user, the password") || strings.Contains(text, "\n") {
		t.Errorf("no password: %+v", f)
	}
	if f, text := look("redis://127.0.0.1:1/0", secret); f.OK || !strings.Contains(text, "connection refused") || !strings.Contains(text, "look at store.redis") || strings.Contains(text, "\n") {
		t.Errorf("nobody there: %+v", f)
	}
}

// Of the alarms' webhook only the host is asked: nothing is sent to it, and its key shows
// nowhere.
func TestCheckOnline_LooksAtTheAlarmsHost(t *testing.T) {
	asked := make(chan string, 1)
	host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.URL.String() }))
	look := func(webhook string) gateway.Finding {
		cfg := testConfig(t.TempDir())
		cfg.ScriptProbe.URL, cfg.Upstream.Endpoint = "", host.URL
		cfg.Alarms.Webhook = webhook
		found, err := gateway.CheckOnline(t.Context(), cfg, onlyAlarms{&farAPI{Simulator: simulator.New(accountOf(cfg))}})
		if err != nil || len(found) != 3 || found[2].About != "alarms.webhook" || strings.Contains(found[2].Text, "k3y") {
			t.Fatalf("%v, %v", found, err)
		}
		return found[2]
	}
	if f := look(host.URL + "/hook/k3y?key=k3y"); !f.OK || <-asked != "HEAD /" {
		t.Errorf("it is there: %+v", f)
	}
	host.Close()
	if f := look(host.URL + "/hook/k3y?key=k3y"); f.OK || !strings.Contains(f.Text, "connection refused") || !strings.Contains(f.Text, "look at alarms.webhook") {
		t.Errorf("nobody there: %+v", f)
	}
}

// onlyAlarms has the alarms' host on the network, and the rest in memory.
type onlyAlarms struct{ api http.RoundTripper }

func (o onlyAlarms) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodHead {
		return http.DefaultTransport.RoundTrip(r)
	}
	return o.api.RoundTrip(r)
}
