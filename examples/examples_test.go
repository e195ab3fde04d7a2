// Package examples_test runs the examples in other languages against a real gateway over
// the simulated Captcha API.
package examples_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/gateway"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/upstream"
)

const key = "shop-key-0123456789"

// shop is a gateway, and the way to it.
type shop struct {
	t   *testing.T
	sim *simulator.Simulator
	url string
}

func openShop(t *testing.T) *shop {
	t.Helper()
	sim := simulator.New(simulator.Config{Latency: simulator.NoLatency, Apps: map[uint64]string{simulator.DefaultAppID: simulator.DefaultAppSecretKey}})
	c := config.Defaults()
	c.Upstream.Endpoint = "http://captcha.test"
	c.Upstream.SecretID, c.Upstream.SecretKey = simulator.DefaultSecretID, simulator.DefaultSecretKey
	c.Upstream.Apps = []upstream.App{{CaptchaAppID: simulator.DefaultAppID, AppSecretKey: simulator.DefaultAppSecretKey}}
	c.Upstream.Deadline, c.Upstream.AttemptTimeout = 10*time.Second, 10*time.Second // a busy machine is no fault
	c.APIKeys = []public.APIKey{{Name: "shop", Key: key}}
	c.Store.Path, c.Store.Patience, c.Admin.Demo = filepath.Join(t.TempDir(), "gateway.db"), 20, true
	ctx, cancel := context.WithCancel(t.Context())
	g, err := gateway.New(ctx, c, sim, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	wait := g.Start(ctx)
	server := httptest.NewUnstartedServer(losing(g.Handler()))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(func() { server.Close(); cancel(); wait(); g.Close() })
	return &shop{t, sim, server.URL}
}

// losing loses the first answer to each question that came below /lossy: the gateway has
// decided, and its caller does not hear of it.
func losing(next http.Handler) http.Handler {
	var lost sync.Map // of Idempotency-Keys
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, lossy := strings.CutPrefix(r.URL.Path, "/lossy")
		r.URL.Path = rest
		if _, again := lost.LoadOrStore(r.Header.Get("Idempotency-Key"), true); lossy && !again {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// form is what the page sends of a ticket.
func (s *shop) form(kind string) string {
	s.t.Helper()
	tickets, err := s.sim.Issue(kind, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return url.Values{"ticket": {tickets[0].Ticket}, "randstr": {tickets[0].Randstr}, "user": {"eve"}}.Encode()
}

// Each example hears what the gateway says, spends a ticket once where an answer was
// lost, and takes nothing but the gateway's word for an answer.
func TestExamples_AskAboutUsers(t *testing.T) {
	for _, example := range []struct{ interpreter, file string }{
		{"node", "node/verify.mjs"}, {"python3", "python/verify.py"}, {"php", "php/verify.php"},
	} {
		t.Run(example.interpreter, func(t *testing.T) {
			if _, err := exec.LookPath(example.interpreter); err != nil {
				missing := t.Skip
				if os.Getenv("CI") == "true" {
					missing = t.Fatal
				}
				missing("needs it on PATH: ", err)
			}
			s := openShop(t)
			for _, row := range []struct{ name, at, key, form, want string }{
				{"a good ticket", s.url, key, s.form(simulator.TicketValid), "allow verified"},
				{"a good ticket whose answer is lost", s.url + "/lossy", key, s.form(simulator.TicketValid), "allow verified"},
				{"a forged ticket", s.url, key, s.form(simulator.TicketForged), "deny rejected"},
				{"a solution of nothing", s.url, key, "captcha-response=x", "deny challenge_failed"},
				{"nothing", s.url, key, "user=eve", "deny challenge_failed"},
				{"a wrong key", s.url, "other-key", s.form(simulator.TicketValid), "captchagate: 401"},
				{"no gateway at all", "http://127.0.0.1:1", key, s.form(simulator.TicketValid), "failed"},
			} {
				if got := s.run(example.interpreter, example.file, row.at, row.key, row.form); !strings.Contains(got, row.want) {
					t.Errorf("%s: %s, want %s", row.name, got, row.want)
				}
			}
		})
	}
}

// run is what an example says: a decision, or that it failed and why.
func (s *shop) run(interpreter, file, gatewayURL, key, form string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), interpreter, file, "default", "192.0.2.7", form)
	cmd.Env = append(cmd.Environ(), "GATEWAY_URL="+gatewayURL, "GATEWAY_KEY="+key, "PYTHONDONTWRITEBYTECODE=1")
	said, err := cmd.Output()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return "failed: " + string(said) + string(failed.Stderr)
	}
	var a struct{ Decision, Reason string }
	if err := json.Unmarshal(said, &a); err != nil {
		s.t.Errorf("%s: %v: %s", file, err, said)
	}
	return a.Decision + " " + a.Reason
}
