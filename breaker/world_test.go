package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/breaker"
	"captchagate/captcha"
)

// defaults are the contract's.
func defaults() (breaker.Config, breaker.Limits) {
	return breaker.Config{
			Window: 20 * time.Second, MinRequests: 20, FailureRate: 0.5, ConsecutiveFailures: 10,
			SlowCall: 500 * time.Millisecond, SlowRate: 0.8,
			Open:  breaker.Interval{Initial: time.Second, Max: 5 * time.Second},
			Probe: breaker.Probe{Timeout: time.Second, Successes: 3, Spacing: 100 * time.Millisecond},
			Ramp:  10 * time.Second,
		}, breaker.Limits{
			Deadline: 2 * time.Second, AttemptTimeout: 800 * time.Millisecond, MaxAttempts: 3,
			Backoff:     breaker.Backoff{Initial: 50 * time.Millisecond, Max: 400 * time.Millisecond},
			RetryBudget: 0.2, MaxInFlight: 256,
		}
}

// An answerer plays the Captcha API for one call.
type answerer func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error)

// world is a breaker, the API below it and the users above.
type world struct {
	t      *testing.T
	b      *breaker.Breaker
	mu     sync.Mutex
	answer answerer
	wired  func(context.Context) // what comes before a call is on the wire; nil for nothing
	apart  bool                  // no connection comes about, which takes 1.5 s to be known
	missed int                   // calls of users that waited for one until that was known
	resets int                   // of the connections
	asked  []asked
	probes int // in flight
	most   int // probes in flight at once
	users  int
	others sync.WaitGroup // users beside those that the story looks at
	seen   []breaker.Transition
	accts  []breaker.Account

	saw    []captcha.Seen // as it was told
	spared int

	throttled   []breaker.Throttling // as it was told
	unthrottled bool                 // the last of it was its end
	log         lockedLog

	siblings breaker.Siblings // nil for none
	registry *prometheus.Registry
}

// lockedLog is what was logged.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count counts the lines that say something.
func (l *lockedLog) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// asked is one call that reached the API.
type asked struct {
	at    time.Time
	probe bool
}

// long leaves a story of many virtual minutes to runs without the race detector, under
// which it takes five times as long; .ci/run has both.
func long(t *testing.T) {
	t.Helper()
	if build, ok := debug.ReadBuildInfo(); ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("it is played without the race detector only")
	}
}

// inWorld runs a story in virtual time.
func inWorld(t *testing.T, story func(w *world)) {
	t.Helper()
	cfg, limits := defaults()
	inWorldOf(t, cfg, limits, story)
}

func inWorldOf(t *testing.T, cfg breaker.Config, limits breaker.Limits, story func(w *world)) {
	t.Helper()
	inWorldWith(t, cfg, limits, nil, story)
}

// inWorldWith is the same beside other instances.
func inWorldWith(t *testing.T, cfg breaker.Config, limits breaker.Limits, peers breaker.Peers, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cfg, limits, peers)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.b.Run(ctx) })
		story(w)
		w.becomes(refuses(captcha.Fault)) // whatever hangs comes back
		cancel()
		running.Wait()
	})
}

// newWorld is a world whose breaker does not run yet.
func newWorld(t *testing.T, cfg breaker.Config, limits breaker.Limits, peers breaker.Peers) *world {
	t.Helper()
	w := &world{t: t, answer: after(20*time.Millisecond, passes), registry: prometheus.NewRegistry()}
	w.b = w.another("the order of users", cfg, limits, peers)
	return w
}

// another is one more breaker before the same API, with a placement key.
func (w *world) another(placement string, cfg breaker.Config, limits breaker.Limits, peers breaker.Peers) *breaker.Breaker {
	w.t.Helper()
	ports := breaker.Ports{Fates: &fates{}, Abandoned: &fates{}, Journal: w, Connections: w, Peers: peers, Siblings: w.siblings, Calls: w}
	b, err := breaker.New(w, ports, 190000001, []byte(placement), cfg, limits, slog.New(slog.NewTextHandler(&w.log, nil)), w.registry)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// Verify is the Captcha API.
func (w *world) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	w.mu.Lock()
	probe := captcha.LooksDisaster(t.Value)
	w.asked = append(w.asked, asked{time.Now(), probe})
	if probe {
		w.probes++
		w.most = max(w.most, w.probes)
	}
	answer, wired, apart := w.answer, w.wired, w.apart
	w.mu.Unlock()
	if wired != nil {
		wired(ctx)
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if probe {
			w.probes--
		}
	}()
	if apart {
		return captcha.Verdict{}, w.miss(ctx, probe)
	}
	captcha.CallOf(ctx).OnTheWire()
	return answer(ctx, t)
}

// miss is what a call gets that waits for a connection and finds none.
func (w *world) miss(ctx context.Context, probe bool) error {
	select {
	case <-time.After(1500 * time.Millisecond):
	case <-ctx.Done():
		return &captcha.Failure{Kind: captcha.Fault, Err: context.Cause(ctx), Unanswered: true, Connecting: true, Retryable: true}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !probe {
		w.missed++
	}
	return &captcha.Failure{Kind: captcha.Fault, Err: errors.New("no connection"), Unanswered: true, Retryable: true}
}

// Transition may ask the breaker back: no lock of the circuit is held.
func (w *world) Transition(t breaker.Transition) {
	_ = w.b.Status()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, t)
}

// accounts are what was told of the account so far.
func (w *world) accounts() []breaker.Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.accts)
}

func (w *world) Account(a breaker.Account) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accts = append(w.accts, a)
}

// Throttling notes what is told.
func (w *world) Throttling(t breaker.Throttling, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.throttled = append(w.throttled, t)
	w.unthrottled = over
}

// toldThrottling is what it was told of the API's limit, and whether the last was its end.
func (w *world) toldThrottling() (told []breaker.Throttling, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.throttled), w.unthrottled
}

// Called, Saw and Spared are told of calls.
func (w *world) Called(string, time.Duration) {}

func (w *world) Saw(s captcha.Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saw = append(w.saw, s)
}

func (w *world) Spared() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spared++
}

// sawCalls are the calls that were told of so far, and how many of them failed.
func (w *world) sawCalls(probes bool) (all, failed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.saw {
		if s.Probe == probes {
			all++
			if s.Failed {
				failed++
			}
		}
	}
	return all, failed
}

// Reset is what the breaker does to the connections.
func (w *world) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resets++
}

// transitions so far.
func (w *world) transitions() []breaker.Transition {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// becomes changes how the API answers from now on.
func (w *world) becomes(a answerer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = a
}

// Ways to answer.

func passes(context.Context, captcha.Ticket) (captcha.Verdict, error) {
	return captcha.Verdict{Outcome: captcha.Passed, Answer: &captcha.Answer{Code: captcha.CodeOK}}, nil
}

func code(n int64) answerer {
	return func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
		return captcha.Verdict{Outcome: captcha.Rejected, Answer: &captcha.Answer{Code: n}}, nil
	}
}

func refuses(k captcha.Kind) answerer {
	return func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
		return captcha.Verdict{}, &captcha.Failure{Kind: k, Err: errors.New("says the test"), Code: "X", FateUnknown: k == captcha.Fault, Retryable: k == captcha.Fault || k == captcha.Throttled}
	}
}

func hangs(ctx context.Context, _ captcha.Ticket) (captcha.Verdict, error) {
	<-ctx.Done()
	kind := captcha.Fault
	if errors.Is(context.Cause(ctx), context.Canceled) {
		kind = captcha.Cancelled
	}
	return captcha.Verdict{}, &captcha.Failure{Kind: kind, Err: context.Cause(ctx), FateUnknown: true, Retryable: true}
}

// after answers a after d, as a server with that latency.
func after(d time.Duration, a answerer) answerer {
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		select {
		case <-time.After(d):
			return a(ctx, t)
		case <-ctx.Done():
			return hangs(ctx, t)
		}
	}
}

// share answers a for that share of the calls and b for the others.
func share(s float64, a, b answerer) answerer {
	r := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		mu.Lock()
		hit := r.Float64() < s
		mu.Unlock()
		if hit {
			return a(ctx, t)
		}
		return b(ctx, t)
	}
}

// probesGet answers probes with a, users with b.
func probesGet(a, b answerer) answerer {
	return func(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
		if captcha.LooksDisaster(t.Value) {
			return a(ctx, t)
		}
		return b(ctx, t)
	}
}

// result is what one user got.
type result struct {
	who  string // the ticket
	at   time.Time
	took time.Duration
	v    captcha.Verdict
	f    *captcha.Failure
}

// kind names a result: the verdict or why there is none.
func (r result) kind() string {
	if r.f != nil {
		return r.f.Kind.String()
	}
	return r.v.Outcome.String()
}

type results []result

// count counts the results of a kind; from and until bound when they came.
func (rs results) count(kind string) (n int) {
	for _, r := range rs {
		if r.kind() == kind {
			n++
		}
	}
	return n
}

func (rs results) first(kind string) (time.Time, bool) {
	for _, r := range rs {
		if r.kind() == kind {
			return r.at.Add(r.took), true
		}
	}
	return time.Time{}, false
}

// user is the n-th user: a ticket, an address and a neighbourhood of its own.
func user(n int) captcha.Ticket {
	return captcha.Ticket{
		Value: fmt.Sprintf("t03ticket%d", n), Randstr: "@abc", AppID: 190000001,
		UserIP: netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1}),
	}
}

// traffic sends rate users a second for d, each a ticket of their own, and
// returns when the last of them was answered.
func (w *world) traffic(rate int, d time.Duration) results {
	return w.trafficOf(rate, d, user)
}

func (w *world) trafficOf(rate int, d time.Duration, who func(n int) captcha.Ticket) results {
	n := int(d.Seconds() * float64(rate))
	rs := make(results, n)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		t := who(w.nextUser())
		wg.Go(func() { rs[i] = w.verify(w.t.Context(), t) })
	}
	time.Sleep(time.Until(start.Add(d)))
	wg.Wait()
	return rs
}

func (w *world) nextUser() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users++
	return w.users
}

func (w *world) verify(ctx context.Context, t captcha.Ticket) result {
	at := time.Now()
	v, err := w.b.Verify(ctx, t)
	r := result{who: t.Value, at: at, took: time.Since(at), v: v}
	if err != nil {
		r.f = captcha.AsFailure(err)
	}
	return r
}

// reached counts the calls that reached the API since then.
func (w *world) reached(since time.Time) (users, probes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		switch {
		case a.at.Before(since):
		case a.probe:
			probes++
		default:
			users++
		}
	}
	return users, probes
}

// awaits waits until the circuit is in a state and returns how long that took.
func (w *world) awaits(s breaker.State, most time.Duration) time.Duration {
	w.t.Helper()
	start := time.Now()
	for w.b.State() != s {
		if time.Since(start) > most {
			w.t.Fatalf("circuit is %v after %v, want %v; transitions %v", w.b.State(), most, s, w.transitions())
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}

// fates remembers for ever.
type fates struct{ m sync.Map }

func (f *fates) Add(k captcha.Key) bool { _, had := f.m.LoadOrStore(k, true); return !had }
func (f *fates) Has(k captcha.Key) bool { _, has := f.m.Load(k); return has }
