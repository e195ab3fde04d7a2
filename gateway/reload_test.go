package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/challenge"
	"captchagate/config"
	"captchagate/gateway"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/upstream"
)

// reloads has the configuration file hold the tests' configuration with a
// change, and loads it again.
func (h *house) reloads(change func(c *config.Config)) {
	h.t.Helper()
	h.reload = func() (config.Config, error) {
		c := testConfig("")
		c.Store.Path = h.cfg.Store.Path
		change(&c)
		return c, nil
	}
	if err := h.g.Reload(h.t.Context()); err != nil {
		h.t.Error(err)
	}
}

// audits returns the audit's entries of a kind, newest first.
func (h *house) audits(kind string) (found []string) {
	h.t.Helper()
	time.Sleep(time.Second) // what nobody waits for is written soon
	w, _ := h.send(h.operators, "GET", "/admin/v1/audit", "")
	var audit struct {
		Entries []struct{ Kind, Actor, Summary string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &audit); err != nil {
		h.t.Fatalf("%v: %s", err, w.Body)
	}
	for _, e := range audit.Entries {
		if e.Kind == kind {
			found = append(found, e.Actor+": "+e.Summary)
		}
	}
	return found
}

// Scenes, keys and disaster tickets change without a restart, and what was
// taken from a budget stays taken.
func TestReload_TakesOverScenesAndKeys(t *testing.T) {
	inHouse(t, shopAndBlog, func(h *house) {
		shop := []string{"Authorization", "Bearer shop-key-0123456789"}
		h.throws(`{"mode":"degraded","reason":"test"}`)
		h.expect("before", h.ask(h.user("login", simulator.TicketValid), shop...), "challenge challenge_required degraded forced")
		disaster := request(fields{"ticket": "trerror_1001_190000001_1", "scene": "comment"})
		h.expect("a disaster ticket before", h.answered("", h.post(disaster, shop...)), "deny rejected normal -")

		h.reloads(func(c *config.Config) {
			c.APIKeys = []public.APIKey{{Name: "new", Key: "new-key-0123456789", Scenes: []string{"login", "signup"}}}
			c.Scenes = map[string]policy.Scene{"login": {Degraded: policy.Deny}, "signup": {Degraded: policy.Challenge}, "default": {Degraded: policy.Deny}}
		})
		fresh := []string{"Authorization", "Bearer new-key-0123456789"}
		h.refuses("the old key", h.post(request(nil), shop...), http.StatusUnauthorized)
		h.expect("a changed scene", h.ask(h.user("login", simulator.TicketValid), fresh...), "deny degraded_deny degraded forced")
		h.expect("a new scene", h.ask(h.user("signup", simulator.TicketValid), fresh...), "challenge challenge_required degraded forced")
		h.refuses("a scene that is gone", h.post(request(fields{"scene": "comment"}), fresh...), http.StatusBadRequest, "scene")
		h.refuses("a scene of others", h.post(request(fields{"scene": "default"}), fresh...), http.StatusForbidden, "scene")
		w, _ := h.send(h.public, "GET", "/v1/mode?scene=signup", "")
		if w.Code != http.StatusOK {
			t.Errorf("/v1/mode: %d %s", w.Code, w.Body)
		}
		h.throws(`{"mode":"degraded","reason":"a drill of the new scene","scene":"signup"}`)
		if got := h.audits("reload"); !slices.Equal(got, []string{"gateway: the configuration was reloaded; changed since the last time: api_keys, scenes; gone is scenes: comment, payment; api_keys: shop, blog"}) {
			t.Errorf("audit: %q", got)
		}
	})
}

// A file that was cut is told by what is gone from it; what changed is named.
func TestReload_SaysWhatIsGone(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.reloads(func(c *config.Config) { delete(c.Scenes, "payment") })
		for _, want := range []string{`gone="scenes: payment"`, "changed=scenes"} {
			if !strings.Contains(h.log.String(), want) {
				t.Errorf("the log does not say %s:\n%s", want, h.log.String())
			}
		}
		h.reloads(func(c *config.Config) { delete(c.Scenes, "payment") })
		if got := h.audits("reload"); len(got) != 2 || !strings.Contains(got[1], "gone is scenes: payment") || strings.Contains(got[0], "gone") {
			t.Errorf("audit: %q", got)
		}
	})
}

// Who asks for reloads in a storm gets one a second, and its outcome; log and audit
// have a line for each of these only.
func TestReload_AStormIsOneASecond(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		loads := 0
		h.reload = func() (config.Config, error) { loads++; return h.cfg, nil }
		var storm sync.WaitGroup
		for range 400 { // four seconds
			storm.Go(func() {
				if err := h.g.Reload(h.t.Context()); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		storm.Wait()
		if got := h.audits("reload"); loads < 4 || loads > 5 || len(got) != loads {
			t.Errorf("%d loads, %d entries of the audit", loads, len(got))
		}
		if n := strings.Count(h.log.String(), "configuration reloaded"); n != loads {
			t.Errorf("%d lines of %d loads", n, loads)
		}
	})
}

// A budget that stays the same keeps what was taken from it.
func TestReload_BuysNoPasses(t *testing.T) {
	tight := func(c *config.Config) {
		s := c.Scenes["comment"]
		s.Budget.Total = policy.Rate{N: 2, Per: time.Hour}
		c.Scenes["comment"] = s
	}
	inHouse(t, tight, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		for range 2 {
			h.expect("within the budget", h.ask(h.user("comment", simulator.TicketValid)), "allow degraded_allow degraded forced")
		}
		h.reloads(tight)
		h.expect("beyond it", h.ask(h.user("comment", simulator.TicketValid)), "challenge challenge_required degraded budget_spent")
	})
}

// A configuration with mistakes changes nothing and is told, to whoever asked
// and in the audit.
func TestReload_OfMistakesChangesNothing(t *testing.T) {
	broken := errors.New("gateway.yaml:7: scenes.login.degraded: must be allow, challenge or deny")
	inHouse(t, shopAndBlog, func(h *house) {
		h.reload = func() (config.Config, error) { return config.Config{}, broken }
		if err := h.g.Reload(h.t.Context()); !errors.Is(err, broken) {
			t.Errorf("Reload: %v", err)
		}
		w, _ := h.send(h.operators, "POST", "/admin/v1/reload", "")
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "gateway.yaml:7") {
			t.Errorf("POST /admin/v1/reload: %d %s", w.Code, w.Body)
		}
		h.expect("as before", h.ask(h.user("login", simulator.TicketValid), "Authorization", "Bearer shop-key-0123456789"), "allow verified normal -")
		if got := h.audits("reload"); len(got) != 2 || !strings.HasPrefix(got[1], "gateway: the configuration was not reloaded") || !strings.Contains(got[0], ": the configuration was not reloaded") {
			t.Errorf("audit: %q", got)
		}
		if !strings.Contains(h.log.String(), "gateway.yaml:7") {
			t.Error("the log does not say what is wrong")
		}
	})
}

// A section that got lost does not open the gateway: without any key everybody would be a
// caller. Keys may come where there were none, and change.
func TestReload_OfNoKeysOpensNothing(t *testing.T) {
	inHouse(t, shopAndBlog, func(h *house) {
		shop := []string{"Authorization", "Bearer shop-key-0123456789"}
		h.reload = func() (config.Config, error) {
			c := h.cfg
			c.APIKeys = nil
			return c, nil
		}
		for range 2 {
			if err := h.g.Reload(h.t.Context()); err == nil || !strings.Contains(err.Error(), "put the keys back, or restart") {
				t.Errorf("Reload: %v", err)
			}
			h.refuses("without a key", h.post(request(nil)), http.StatusUnauthorized)
			h.expect("with one of before", h.ask(h.user("login", simulator.TicketValid), shop...), "allow verified normal -")
		}
		if got := h.audits("reload"); len(got) != 2 || !strings.Contains(got[0], "was not reloaded") {
			t.Errorf("audit: %q", got)
		}
		h.reloads(shopAndBlog)
		h.refuses("without a key", h.post(request(nil)), http.StatusUnauthorized)
	})
}

// An operator's reload is entered once, under the operator's name.
func TestReload_OfAnOperatorIsTheOperators(t *testing.T) {
	token := func(c *config.Config) {
		c.Admin.Tokens = []admin.Token{{Name: "olga", Role: admin.Operator, Token: "olgas-token-0123456789"}}
	}
	inHouse(t, token, func(h *house) {
		h.reload = func() (config.Config, error) { return testConfig(""), nil }
		key := []string{"Authorization", "Bearer olgas-token-0123456789"}
		if w, _ := h.send(h.operators, "POST", "/admin/v1/reload", "", key...); w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		time.Sleep(time.Second)
		w, _ := h.send(h.operators, "GET", "/admin/v1/audit", "", key...)
		if n := strings.Count(w.Body.String(), `"kind":"reload"`); n != 1 || !strings.Contains(w.Body.String(), `"actor":"olga"`) {
			t.Errorf("audit: %s", w.Body)
		}
		if !strings.Contains(w.Body.String(), "what changed in admin, store waits for a restart") {
			t.Errorf("the audit does not say that her token goes on: %s", w.Body)
		}
	})
}

// Who changes what only a restart takes over is told so, by the audit and the
// log; what was taken over is not named.
func TestReload_NamesWhatWaitsForARestart(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.reloads(func(c *config.Config) {
			c.Scenes["login"] = policy.Scene{Degraded: policy.Deny}
			c.APIKeys = []public.APIKey{{Name: "shop", Key: "shop-key-0123456789"}}
			c.DisasterTickets.MaxAge = time.Minute
			c.Challenge.Secret = challenge.Secrets{"a-secret-0123456789"}
		})
		if strings.Contains(h.log.String(), "only a restart") {
			t.Error("the log tells of changes that wait, and none does")
		}
		h.reloads(func(c *config.Config) {
			c.APIKeys = []public.APIKey{{Name: "blog", Key: "blog-key-0123456789"}}
			c.Breaker.Window *= 2
			c.Upstream.Apps = append(c.Upstream.Apps, upstream.App{CaptchaAppID: 190000002, AppSecretKey: "another"})
			c.Challenge.Cost *= 2
		})
		want := []string{"gateway: the configuration was reloaded; changed since the last time: api_keys, upstream, breaker, scenes, disaster_tickets, challenge; gone is api_keys: shop; what changed in upstream, breaker, challenge waits for a restart", "gateway: the configuration was reloaded; changed since the last time: api_keys, scenes, disaster_tickets, challenge"}
		if got := h.audits("reload"); !slices.Equal(got, want) {
			t.Errorf("audit: %q, want %q", got, want)
		}
		if !strings.Contains(h.log.String(), `sections="upstream, breaker, challenge"`) {
			t.Error("the log does not name the sections")
		}
	})
}

// Scenes come and go under traffic: every request gets an answer.
func TestReload_UnderTraffic(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		stop := make(chan struct{})
		h.calls.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(17 * time.Millisecond):
				}
				h.reloads(func(c *config.Config) {
					if n%2 == 0 {
						delete(c.Scenes, "login")
					}
				})
			}
		})
		for _, a := range h.crowd("login", 50, 4*time.Second) {
			if a.Status != http.StatusOK && a.Status != http.StatusBadRequest {
				t.Errorf("answered %d", a.Status)
			}
		}
		close(stop)
	})
}

// Without a configuration file there is nothing to load again.
func TestReload_NeedsAFile(t *testing.T) {
	g, err := gateway.New(t.Context(), testConfig(t.TempDir()), nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Reload(context.Background()); err == nil {
		t.Error("reloaded from nothing")
	}
	r, w := httptest.NewRequest("POST", "/admin/v1/reload", nil), httptest.NewRecorder()
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8081"
	g.AdminHandler().ServeHTTP(w, r)
	if w.Code != http.StatusNotImplemented {
		t.Errorf("%d %s, want 501", w.Code, w.Body)
	}
}

// Without admin.tokens only the token in the file lets operators in, over
// loopback too and over restarts, and it is not in the log.
func TestGateway_MakesItsOperatorsToken(t *testing.T) {
	folder := t.TempDir()
	cfg := testConfig(folder)
	cfg.Admin.Demo, cfg.Admin.File = false, filepath.Join(folder, "data", "admin.token")
	for range 2 {
		var log bytes.Buffer
		g, err := gateway.New(t.Context(), cfg, nil, nil, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		token, err := cfg.Admin.FileToken()
		if err != nil {
			t.Fatal(err)
		}
		for header, want := range map[string]int{"": 401, "Bearer of-somebody-else": 401, "Bearer " + token: 200} {
			r, w := httptest.NewRequest("GET", "/admin/v1/status", nil), httptest.NewRecorder()
			r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8081"
			r.Header.Set("Authorization", header)
			if g.AdminHandler().ServeHTTP(w, r); w.Code != want {
				t.Errorf("with %q: %d, want %d", header, w.Code, want)
			}
		}
		if text := log.String(); !strings.Contains(text, cfg.Admin.File) || strings.Contains(text, token) {
			t.Errorf("the log should name the file, and not the token: %s", text)
		}
		g.Close()
	}
}

// Who mends a mistake and reloads reads at once what is wrong now, and nothing of
// before is written after it.
func TestReload_SaysEachTimeWhatIsWrong(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for _, wrong := range []string{"first mistake", "second mistake"} {
			h.reload = func() (config.Config, error) { return config.Config{}, errors.New(wrong) }
			if err := h.g.Reload(h.t.Context()); err == nil {
				t.Error("it was taken")
			}
			if !strings.Contains(h.log.String(), wrong) {
				t.Errorf("the log does not say %q:\n%s", wrong, h.log.String())
			}
		}
		h.reloads(func(*config.Config) {})
		before := h.log.String()
		time.Sleep(2 * time.Minute)
		if after := h.log.String()[len(before):]; strings.Contains(after, "not reloaded") {
			t.Errorf("after a reload that was fine the log says:\n%s", after)
		}
	})
}
