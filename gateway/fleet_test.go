package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/api/apitest"
	"captchagate/challenge"
	"captchagate/config"
	"captchagate/gateway"
	"captchagate/simulator"
	"captchagate/store"
	"captchagate/store/redis/redistest"
)

// A street is houses of one fleet over a real Redis, in real time, before one
// simulated API.
type street struct {
	*testing.T

	redis  *redistest.Server
	sim    *simulator.Simulator
	houses []*house
	ends   []func()
}

// patience bounds every wait for what should happen at once.
const patience = 30 * time.Second

// inStreet opens n houses of a fleet.
func inStreet(t *testing.T, n int, change func(i int, c *config.Config)) *street {
	t.Helper()
	s := &street{T: t, redis: redistest.Start(t)}
	for i := range n {
		s.opens(i, change)
	}
	s.until("all see each other", func() bool {
		for _, h := range s.houses {
			if f := h.status().Fleet; f.Alive != n || f.Redis != "up" {
				return false
			}
		}
		return true
	})
	return s
}

func (s *street) opens(i int, change func(i int, c *config.Config)) {
	s.Helper()
	cfg := testConfig(s.TempDir())
	cfg.Store.Redis, cfg.Store.Secret, cfg.Store.Patience = store.Redis{s.redis.URL()}, "the secret of one fleet", 20
	cfg.Challenge.Secret = challenge.Secrets{"a secret of the challenges"}
	if change != nil {
		change(i, &cfg)
	}
	if s.sim == nil {
		s.sim = simulator.New(accountOf(cfg))
	}
	h := &house{t: s.T, sim: s.sim, cfg: cfg, users: 10_000 * i}
	log := slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.Context()))
	g, err := gateway.New(ctx, cfg, h, nil, log)
	if err != nil {
		s.Fatal(err)
	}
	h.g, h.public, h.operators = g, apitest.Handler(s.T, g.Handler()), apitest.Handler(s.T, g.AdminHandler())
	wait := g.Start(ctx)
	ended := false
	end := func() {
		if !ended {
			ended = true
			cancel()
			wait()
			g.Close()
		}
	}
	s.houses, s.ends = append(s.houses, h), append(s.ends, end)
	s.Cleanup(end)
}

// until waits for what should happen soon, and returns how long that took.
func (s *street) until(what string, happened func() bool) time.Duration {
	s.Helper()
	began := time.Now()
	for !happened() {
		if time.Since(began) > patience {
			text, _ := json.Marshal(s.houses[0].status())
			s.Fatalf("not within %v: %s; the first says %s", patience, what, text)
		}
		<-time.After(5 * time.Millisecond)
	}
	return time.Since(began)
}

// Operators see the fleet from each of its instances, and what becomes of Redis; no
// request notices it, nor does a start or an end without it (F5, F6).
func TestFleet_IsSeenFromEachInstance(t *testing.T) {
	s := inStreet(t, 2, func(i int, c *config.Config) {
		if i == 1 {
			c.Scenes["login"] = c.Scenes["payment"]
		}
	})
	s.until("each has been looked at", func() bool { return len(s.houses[0].status().Replicas) == 2 })
	status := s.houses[0].status()
	if f := *status.Fleet; f.State != "closed" || f.Ill != 0 || len(status.Replicas) != 2 || status.Version == "" {
		t.Errorf("the fleet is %+v, %+v", f, status.Replicas)
	}
	this := 0
	for _, r := range status.Replicas {
		if r.This {
			this++
		}
		if r.State != "closed" || r.Version == "" || r.Host == "" || r.AgeMS > 10_000 || r.ClockLagMS < -1000 || r.ClockLagMS > 1000 {
			t.Errorf("a replica is %+v", r)
		}
	}
	if this != 1 {
		t.Errorf("%d of the replicas are the one that tells", this)
	}
	s.until("the first warns of other scenes", func() bool {
		return strings.Contains(s.houses[0].log.String(), "1 of 2 instances have another scenes")
	})
	const odd = "the instances are not configured alike: 2 different scenes among 2 instances"
	s.until("the status shows it", func() bool {
		status = s.houses[0].status()
		return slices.Contains(status.Fleet.Trouble, odd)
	})
	var shown strings.Builder
	if err := admin.WriteStatus(&shown, status); err != nil || !strings.Contains(shown.String(), "fleet      closed, 2 alive, 0 ill; Redis answers") || !strings.Contains(shown.String(), "TROUBLE: "+odd) {
		t.Errorf("status shows %s", &shown)
	}
	s.redis.Kill()
	s.until("Redis is down", func() bool { return s.houses[0].status().Fleet.Redis == "down" })
	s.opens(2, nil) // starts without it
	for i, h := range s.houses {
		if a := h.ask(h.user("login", simulator.TicketValid)); a.Status != http.StatusOK || a.Reason != "verified" {
			t.Errorf("instance %d answers %+v without Redis", i, a)
		}
	}
	began := time.Now()
	s.ends[1]()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("ended only %v after it should, without Redis", took)
	}
	s.redis.Restart()
	s.until("those that are left see each other", func() bool { return s.houses[0].status().Fleet.Alive == 2 && s.houses[2].status().Fleet.Alive == 2 })
	s.ends[2]()
	s.until("one has left", func() bool { return s.houses[0].status().Fleet.Alive == 1 })
	text := fmt.Sprint(s.metrics(0))
	for _, series := range []string{
		`captchagate_fleet_instances{view="alive"} 1`, `captchagate_fleet_instances{view="ill"} 0`, "captchagate_fleet_state 0", "captchagate_redis_up 1",
		`captchagate_redis_seconds_count{call="beat"}`,
	} {
		if !strings.Contains(text, series) {
			t.Errorf("the metrics have no %s", series)
		}
	}
}

func (s *street) metrics(i int) string {
	w, _ := s.houses[i].send(s.houses[i].operators, "GET", "/metrics", "")
	return w.Body.String()
}

// An instance of an older version is shown by its id; whatever stands in Redis is shown
// without harm (F12).
func TestFleet_ShowsInstancesOfOtherVersions(t *testing.T) {
	s := inStreet(t, 1, nil)
	fleet := strings.TrimSuffix(s.fleetKey(), "fleet")
	for id, about := range map[string]string{
		"older": `{"version":"v0.1","state":"closed"}`, "strange": `{"host":"\\u001b[31m` + strings.Repeat("x", 100) + `","listen":7}`, "broken": `{`,
	} {
		s.redis.Do("HSET " + fleet + "about " + id + ` "` + strings.ReplaceAll(about, `"`, `\"`) + `"`)
		s.redis.Do("ZADD " + fleet + "seen 99999999999999 " + id)
	}
	s.until("all are seen", func() bool { return len(s.houses[0].status().Replicas) == 4 })
	var shown strings.Builder
	if err := admin.WriteStatus(&shown, s.houses[0].status()); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"older: closed, version v0.1", "broken: , version ", "?[31m" + strings.Repeat("x", 59) + ": "} {
		if !strings.Contains(shown.String(), line) {
			t.Errorf("%q is not shown in\n%s", line, &shown)
		}
	}
}

// All instances call a user alike in their logs, so that one search finds all lines; what
// the circuit of one did names that one.
func TestFleet_TellsWhoAndWhich(t *testing.T) {
	s := inStreet(t, 2, nil)
	var names []string
	for _, h := range s.houses {
		w, _ := h.send(h.operators, "POST", "/admin/v1/who", `{"ip":"192.0.2.7","subject":"user-17"}`, "Content-Type", "application/json")
		var found admin.Names
		if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || len(found.Names) != 2 {
			t.Fatalf("%v: %s", err, w.Body)
		}
		names = append(names, found.Names[0].Who)
	}
	if names[0] != names[1] {
		t.Errorf("the instances call one user %q", names)
	}
	h := s.houses[0]
	f := h.user("login", "forged")
	f["user_ip"], f["subject"] = "192.0.2.7", "user-17"
	if line := h.lineOf("decision_id=" + h.ask(f).ID); !strings.Contains(line, "who="+names[1]) {
		t.Errorf("the other calls the user %s, and the line is %q", names[1], line)
	}
	fault := simulator.Fault{Kind: simulator.InternalError}
	if err := s.sim.SetFault(fault); err != nil {
		t.Fatal(err)
	}
	s.until("its circuit opens", func() bool {
		h.ask(h.user("login", simulator.TicketValid))
		return strings.Contains(h.audit(), "circuit closed to open")
	})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if audit := h.audit(); !strings.Contains(audit, `"actor":"gateway `+host) {
		t.Errorf("the audit does not name %s: %s", host, audit)
	}
}

// A switch and a drill thrown at one instance hold on all within a second, with their
// audit; without Redis they hold where they were thrown, and then on all; and they are
// there after a restart, and after everything in Redis was lost (F1).
func TestFleet_HasOneSwitch(t *testing.T) {
	s := inStreet(t, 3, func(_ int, c *config.Config) { c.Admin.Demo = true })
	holds := func(mode string) func() bool {
		return func() bool {
			for _, h := range s.houses {
				if st := h.status(); st.Override == nil && mode != "" || st.Override != nil && st.Override.Mode.String() != mode {
					return false
				}
			}
			return true
		}
	}
	slowest := time.Duration(0)
	for i := range 6 {
		mode := []string{"degraded", "normal"}[i%2]
		s.houses[i%3].throws(`{"mode":"` + mode + `","reason":"test ` + fmt.Sprint(i) + `","for":"1h"}`)
		slowest = max(slowest, s.until("all are "+mode, holds(mode)))
	}
	t.Logf("a switch reached all three within %v at most", slowest)
	s.houses[0].throws(`{"mode":"degraded","reason":"drill","scene":"login","share":0.5}`)
	s.until("all have the drill", func() bool {
		for _, h := range s.houses {
			if len(h.status().Drills) != 1 {
				return false
			}
		}
		return true
	})
	s.until("all have the audit", func() bool {
		for _, h := range s.houses {
			if n := strings.Count(h.audit(), `"kind":"switch"`); n != 7 {
				return false
			}
		}
		return true
	})
	s.redis.Do("FLUSHALL")
	s.redis.Kill()
	s.until("Redis is down", func() bool { return s.houses[1].status().Fleet.Redis == "down" })
	s.houses[1].throws(`{"mode":"auto","reason":"over"}`)
	if s.houses[0].status().Override == nil || s.houses[1].status().Override != nil {
		t.Error("without Redis a switch holds elsewhere, or not where it was thrown")
	}
	s.redis.Restart()
	s.until("all are on auto", holds(""))
	s.redis.Do("FLUSHALL")
	s.opens(3, nil)
	s.houses[3].throws(`{"mode":"normal","reason":"thrown by one that has just come"}`)
	s.until("all are normal", holds("normal"))
	for i, h := range s.houses[:3] {
		if n := strings.Count(h.audit(), "forced normal until"); n != 4 && n != 3 {
			t.Errorf("instance %d has %d switches to normal in its audit", i, n)
		}
	}
}

// audit is what operators read.
func (h *house) audit() string {
	w, _ := h.send(h.operators, "GET", "/admin/v1/audit", "")
	return w.Body.String()
}

// An instance with another secret is a fleet of its own on the same Redis: it says so as a
// trouble, and gateway check --online does.
func TestFleet_NoticesAnotherSecret(t *testing.T) {
	s := inStreet(t, 1, nil)
	s.until("it is seen by others", func() bool { return s.redis.Do("EXISTS captchagate:fleets") == ":1\r\n" })
	s.opens(1, func(_ int, c *config.Config) { c.Store.Secret = "another secret" })
	const trouble = "another store.secret"
	s.until("the other one tells", func() bool { return strings.Contains(fmt.Sprint(s.houses[1].status().Fleet.Trouble), trouble) })
	for _, h := range s.houses {
		cfg := h.cfg
		cfg.ScriptProbe.URL = ""
		found, err := gateway.CheckOnline(t.Context(), cfg, &farAPI{Simulator: s.sim})
		if last := found[len(found)-1]; err != nil || last.OK || !strings.Contains(last.Text, trouble) {
			t.Errorf("%+v %v", last, err)
		}
	}
}
