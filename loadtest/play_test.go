package loadtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/loadtest"
	"captchagate/loadtest/scenario"
	"captchagate/simulator"
)

// api runs a simulator that knows the site under test and another one's.
func api(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	sim := simulator.New(simulator.Config{Seed: 1, Apps: map[uint64]string{
		simulator.DefaultAppID: simulator.DefaultAppSecretKey, loadtest.ForeignApp: "another",
	}})
	go func() { ended <- sim.Serve(ctx, "127.0.0.1:0", func(a string) { ready <- a }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return <-ready
}

// alone is a gateway of one instance that was running before.
func alone(name, address, sim, operators string) loadtest.Gateway {
	return loadtest.Gateway{Name: name, Simulator: sim, Instances: []loadtest.Instance{{Address: address, Admin: operators}}}
}

// gateway runs one that answers as decide says. If it says nothing it waits until
// the caller leaves.
func gateway(t *testing.T, sim string, decide func(n int64, ticket string) (status int, body string)) loadtest.Gateway {
	t.Helper()
	var n atomic.Int64
	mux := http.NewServeMux() // it tells its mode to nobody
	mux.HandleFunc("POST /v1/verify", func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Ticket, Randstr, Scene, Subject string
			UserIP                          string `json:"user_ip"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Ticket == "" || q.Scene == "" || q.Subject == "" || q.UserIP == "" {
			t.Errorf("a request is not as POST /v1/verify takes it: %+v, %v", q, err)
		}
		status, body := decide(n.Add(1), q.Ticket)
		if status == 0 {
			_, _ = io.Copy(io.Discard, r.Body) // or its caller's leaving is not seen
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return alone("stub", strings.TrimPrefix(s.URL, "http://"), sim, "")
}

func short(users string, more ...string) string {
	return "name: short\ntitle: A short one\nusers: " + users +
		"\nphases: [{name: only, for: 500ms, rate: 400/s}]\nobjectives: [useful >= 100%]\n" + strings.Join(more, "\n")
}

// A gateway that lies about one in ten is found out to the request.
func TestPlay_FindsEveryWrongAnswer(t *testing.T) {
	t.Parallel()
	s := read(t, strings.Replace(short("{valid: 1, forged: 1, expired: 1, foreign: 1, evil: 1}"), "[useful >= 100%]",
		"[good tickets rejected = 0, bad tickets allowed with full assurance = 0, failed = 0]", 1))
	var lies atomic.Int64
	g := gateway(t, api(t), func(n int64, _ string) (int, string) {
		switch n % 10 {
		case 0:
			lies.Add(1)
			return 200, full
		case 1:
			return 500, "oh dear"
		default:
			return 200, refused
		}
	})
	r, err := loadtest.Play(t.Context(), s, []loadtest.Gateway{g}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Targets[0].Total.Answers
	if r.Targets[0].Total.Sent != sum(a) || a.Failed < 18 || a.Failed > 22 {
		t.Errorf("of %d sent: %+v", r.Targets[0].Total.Sent, a)
	}
	// What is wrong: refused good tickets and verified bad ones.
	var want int
	for _, c := range r.Targets[0].Counts {
		if c.User == "valid" && c.Decision == "deny" || c.User != "valid" && c.Decision == "allow" {
			want += c.N
		}
	}
	if a.Wrong != want || want == 0 || a.Verified == 0 || a.Verified >= int(lies.Load()) {
		t.Errorf("wrong %d, want %d; verified %d of %d allowed", a.Wrong, want, a.Verified, lies.Load())
	}
	for _, o := range r.Targets[0].Objectives {
		if o.Met {
			t.Errorf("%s is met: %s", o.Text, o.Found)
		}
	}
	if r.Passed {
		t.Error("it passed")
	}
}

// Two gateways get the same users at the same times, each its own tickets.
func TestPlay_ComparesGatewaysFairly(t *testing.T) {
	t.Parallel()
	s := read(t, short("{valid: 1}", "callers: {give_up: 1m}"))
	yes := func(int64, string) (int, string) { return 200, full }
	no := func(int64, string) (int, string) { return 200, asked }
	one, two := gateway(t, api(t), yes), gateway(t, api(t), no)
	two.Name = "other"
	r, err := loadtest.Play(t.Context(), s, []loadtest.Gateway{one, two}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := r.Targets[0].Total, r.Targets[1].Total
	if a.Sent != 200 || a.Answers.Verified != a.Sent || b.Answers.Challenged != a.Sent {
		t.Errorf("sent %d and %d: %+v, %+v", a.Sent, b.Sent, a.Answers, b.Answers)
	}
}

// Who hangs up leaves; who is slow is not held against the gateway; who gives
// up asks again with the same key, and only then.
func TestPlay_CallersBehave(t *testing.T) {
	t.Parallel()
	t.Run("hang_up", func(t *testing.T) {
		t.Parallel()
		g := gateway(t, api(t), func(int64, string) (int, string) { return 0, "" })
		r, err := loadtest.Play(t.Context(), read(t, short("{hang_up: 1}", "callers: {hang_up: 20ms}")), []loadtest.Gateway{g}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if total := r.Targets[0].Total; total.Answers.HungUp != total.Sent || total.Sent == 0 {
			t.Errorf("%+v", total)
		}
	})
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		g := gateway(t, api(t), func(int64, string) (int, string) { return 200, full })
		r, err := loadtest.Play(t.Context(), read(t, short("{slow: 1}", "callers: {slow: 2s}")), []loadtest.Gateway{g}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if total := r.Targets[0].Total; total.Answers.Verified != total.Sent || total.P50 >= 2000 {
			t.Errorf("half took over %v ms beyond their own slowness: %+v", total.P50, total.Answers)
		}
	})
	t.Run("retry", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		keys := map[string]int{} // tries by key
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				return // nobody is told the mode
			}
			_, _ = io.Copy(io.Discard, r.Body) // or its caller's leaving is not seen
			mu.Lock()
			keys[r.Header.Get("Idempotency-Key")]++
			again := keys[r.Header.Get("Idempotency-Key")] > 1
			mu.Unlock()
			if !again {
				<-r.Context().Done()
				return
			}
			_, _ = w.Write([]byte(full))
		}))
		defer s.Close()
		text := strings.Replace(short("{retry: 1}", "callers: {retry_after: 1s, tries: 9}"), "400/s", "20/s", 1)
		g := alone("stub", strings.TrimPrefix(s.URL, "http://"), api(t), "")
		r, err := loadtest.Play(t.Context(), read(t, text), []loadtest.Gateway{g}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tries := 0
		for key, n := range keys {
			if tries += n; key == "" || n < 2 {
				t.Errorf("a caller with the key %q asked %d times", key, n)
			}
		}
		total := r.Targets[0].Total
		if total.Answers.Verified != total.Sent || len(keys) != total.Sent || total.Tries != tries || total.P50 < 1000 {
			t.Errorf("%d tries of %d with %d keys, half within %v ms: %+v", total.Tries, total.Sent, len(keys), total.P50, total.Answers)
		}
	})
}

// What nobody tells is no surprise for the end of a run: every objective about
// it is named before anything is sent.
func TestPlay_RefusesObjectivesThatNobodyTells(t *testing.T) {
	s := read(t, outage+"  - circuit changes >= 4\n  - circuit changes in back <= 4\n")
	telling := alone("ours", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
	silent := alone("theirs", "127.0.0.1:4", "127.0.0.1:5", "")
	_, err := loadtest.Play(t.Context(), s, []loadtest.Gateway{telling, silent}, nil)
	if !errors.Is(err, loadtest.ErrScenario) {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{`test.yaml:21: "circuit changes >= 4"`, `test.yaml:22: "circuit changes in back <= 4"`} {
		if len(lines) != 2 || !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "nobody tells of theirs; give --target-admin theirs=URL, or drop") {
			t.Errorf("it does not say %s and what to do:\n%v", want, err)
		}
	}
	_, err = loadtest.Play(t.Context(), s, []loadtest.Gateway{telling}, nil)
	if errors.Is(err, loadtest.ErrScenario) || err == nil {
		t.Errorf("with an operators' address: %v; want only that nothing runs there", err)
	}
}

func TestPlay_RefusesWhatItMayNotReach(t *testing.T) {
	s := read(t, short("{valid: 1}"))
	kills := read(t, short("{valid: 1}", "steps: [{at: 0s, kill: gateway}, {at: 100ms, start: gateway}]"))
	switches := read(t, short("{valid: 1}", "steps: [{at: 0s, switch: {mode: auto, reason: a test}}]"))
	several := read(t, short("{valid: 1}", "instances: 2"))
	here := alone("g", "127.0.0.1:1", "127.0.0.1:2", "")
	for name, c := range map[string]struct {
		s    scenario.Scenario
		g    loadtest.Gateway
		want string
	}{
		"a gateway elsewhere":      {s, alone("g", "192.0.2.1:80", "127.0.0.1:2", ""), "loopback"},
		"a simulator elsewhere":    {s, alone("g", "127.0.0.1:1", "192.0.2.1:80", ""), "loopback"},
		"operators elsewhere":      {s, alone("g", "127.0.0.1:1", "127.0.0.1:2", "192.0.2.1:80"), "loopback"},
		"somebody else's to kill":  {kills, here, "not ours to kill"},
		"one where several are":    {several, here, "has instances or a Redis of its own, and g was started without"},
		"no operators to switch":   {switches, here, "--target-admin"},
		"a simulator that is away": {s, here, "is it running?"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := loadtest.Play(t.Context(), c.s, []loadtest.Gateway{c.g}, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The library: every file can be read, says who it is, and gives the gateway a
// configuration that it takes.
func TestLibrary_CanBePlayed(t *testing.T) {
	files, err := filepath.Glob("../configs/scenarios/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	faults := map[string]bool{}
	for _, path := range files {
		s, err := scenario.Load(path)
		if err == nil {
			err = loadtest.CheckGateway(s)
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name+".yaml" != filepath.Base(path) || s.About == "" || s.Length() > 90*time.Second {
			t.Errorf("%s is called %s, tells %q and takes %v", path, s.Name, s.About, s.Length())
		}
		for _, p := range s.Phases {
			if p.Fault != nil {
				faults[p.Fault.Kind] = true
			}
		}
	}
	for _, kind := range simulator.Kinds() {
		if !faults[string(kind)] {
			t.Errorf("no scenario plays %s", kind)
		}
	}
}

func TestCheckGateway_SaysWhatIsWrongInTheScenariosWords(t *testing.T) {
	s := read(t, short("{valid: 1}", "gateway: {breaker.windows: 20s, upstream.max_attempts: 9}"))
	err := loadtest.CheckGateway(s)
	if !errors.Is(err, loadtest.ErrScenario) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"gateway: breaker.windows: ", "gateway: upstream.max_attempts: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %q", err, want)
		}
	}
}

func TestRun_ReadsBackFromJSON(t *testing.T) {
	want := loadtest.Told(read(t, outage), story(), 10*time.Second)
	path := filepath.Join(t.TempDir(), "run.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(want.WriteJSON(file), want.WriteJSON(file), file.Close()); err != nil {
		t.Fatal(err)
	}
	both, err := loadtest.ReadJSON(path)
	if err != nil || len(both) != 2 {
		t.Fatalf("%d runs of two, %v", len(both), err)
	}
	for _, got := range both {
		if fmt.Sprintf("%+v", got.Targets) != fmt.Sprintf("%+v", want.Targets) || got.Source != want.Source {
			t.Error("it reads back as another run")
		}
	}
	for _, text := range []string{"", `{"scenario":""}`, "[]", "{"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadtest.ReadJSON(path); err == nil {
			t.Errorf("%q was taken for a run", text)
		}
	}
}

// A share or a latency of nobody is no objective met, or a gateway that is dead
// for all who count would pass.
func TestPlay_MeetsNothingWithNobody(t *testing.T) {
	t.Parallel()
	s := read(t, strings.Replace(short("{hang_up: 1}", "callers: {hang_up: 20ms}"), "[useful >= 100%]",
		"[useful >= 100%, full verdicts >= 100%, verified >= 100%, p99 <= 1s]", 1))
	g := gateway(t, api(t), func(int64, string) (int, string) { return 0, "" })
	r, err := loadtest.Play(t.Context(), s, []loadtest.Gateway{g}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Targets[0].Objectives {
		if o.Met || o.Found != "no data" {
			t.Errorf("%s: met %t, found %s", o.Text, o.Met, o.Found)
		}
	}
}
