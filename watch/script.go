// Package watch is what the gateway sees for itself and need not take a
// client's word for: whether the page's script loads (Script), what pages
// report (Reports, which is an alarm and never evidence), and what an outage
// was from its beginning to its end (Incidents).
package watch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"captchagate/captcha"
)

const (
	probeTimeout = 5 * time.Second // of one fetch, body included
	minProbeGap  = time.Second     // from the start of a probe to the next one's
	jitter       = 0.1             // share of the interval, either way
)

// A Script fetches the page's script every now and then, as a browser would,
// to know for ourselves whether it can be had. It is what corroborates a
// disaster ticket, so it errs towards "up": only failures in a row are "down",
// one success is "up", and a probe that never succeeded since the process
// began says nothing, because then the fault may be our own way out (a
// firewall, a proxy, a wrong address).
//
// Want of descriptors, ports or memory of this host says nothing: such a probe
// is no failure and no success. A network of our own that breaks later looks the same as a script that is
// away: no route and no name are failures like any other. What a forger gains
// by that is the scene's own action, within its budget.
type Script struct {
	cfg       ScriptConfig
	client    *http.Client
	changed   func(ScriptStatus)
	trouble   func(kind string)
	log       *slog.Logger
	results   map[string]prometheus.Counter
	down      atomic.Bool
	probeSoon chan struct{}

	mu     sync.Mutex
	status ScriptStatus
	warned bool
}

// Results of a probe, as the metric calls them.
const (
	resultOK     = "ok"
	resultFailed = "failed"
	resultLocal  = "local" // trouble of this host's own
)

// ScriptStatus is what is known of the script.
type ScriptStatus struct {
	Watched   bool      `json:"watched"`   // false: the probe is off
	Down      bool      `json:"down"`      // corroborates disaster tickets
	Since     time.Time `json:"since"`     // of Down and Succeeded as they are; zero before the first probe
	Succeeded bool      `json:"succeeded"` // at least once since the process began
	Failures  int       `json:"failures"`  // in a row
	Last      time.Time `json:"last"`      // end of the last probe; zero if none
	Problem   string    `json:"problem"`   // of the last probe; "" if it succeeded
}

// NewScript returns a Script that Run sets going. cfg must be valid. transport
// carries the fetches; nil is one of its own, with a new connection each time,
// so that name, route and certificate are looked at too. changed, if not
// nil, is told when the script goes down and when it is up again, from Run's
// goroutine; trouble, if not nil, of each probe that failed by trouble of this
// host's own, with its kind.
func NewScript(cfg ScriptConfig, transport http.RoundTripper, changed func(ScriptStatus), trouble func(kind string), log *slog.Logger, reg prometheus.Registerer) *Script {
	if transport == nil {
		transport = newTransport()
	}
	if changed == nil {
		changed = func(ScriptStatus) {}
	}
	if trouble == nil {
		trouble = func(string) {}
	}
	s := &Script{
		cfg: cfg, changed: changed, trouble: trouble, log: log,
		results:   map[string]prometheus.Counter{},
		client:    &http.Client{Transport: transport, CheckRedirect: refuseRedirect, Timeout: probeTimeout},
		probeSoon: make(chan struct{}, 1),
		status:    ScriptStatus{Watched: cfg.URL != ""},
	}
	metrics := promauto.With(reg)
	probes := metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_script_probes_total", Help: "Fetches of the page's script, by result.",
	}, []string{"result"})
	for _, result := range []string{resultOK, resultFailed, resultLocal} {
		s.results[result] = probes.WithLabelValues(result)
	}
	metrics.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_script_down", Help: "1 while the page's script is known to be away.",
	}, func() float64 {
		if s.Down() {
			return 1
		}
		return 0
	})
	return s
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: probeTimeout}).DialContext,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// refuseRedirect follows no redirect: the script is told to be at this address,
// and who sends us elsewhere may be a portal in our own network.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Down reports whether the script is known to be away. It takes no lock.
func (s *Script) Down() bool { return s.down.Load() }

// Status tells what is known of the script.
func (s *Script) Status() ScriptStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// ProbeSoon brings the next probe forward. However often it is called, a second
// lies between the starts of two probes. It never blocks.
func (s *Script) ProbeSoon() {
	select {
	case s.probeSoon <- struct{}{}:
	default: // asked for already
	}
}

// Run probes until ctx ends; at once if the probe is off.
func (s *Script) Run(ctx context.Context) {
	if s.cfg.URL == "" {
		return
	}
	for ctx.Err() == nil {
		started := time.Now()
		problem := s.fetch(ctx)
		if ctx.Err() != nil {
			return // our own end says nothing of the script
		}
		if kind, local := captcha.LocalTrouble(problem); local {
			s.inconclusive(kind, problem)
		} else {
			s.evaluate(problem)
		}
		s.wait(ctx, started)
	}
}

// wait waits for the time of the next probe.
func (s *Script) wait(ctx context.Context, started time.Time) {
	spread := 1 + jitter*(2*rand.Float64()-1)
	next := time.NewTimer(time.Duration(spread * float64(s.cfg.Interval)))
	defer next.Stop()
	select {
	case <-ctx.Done():
		return
	case <-next.C:
		return
	case <-s.probeSoon:
	}
	soon := time.NewTimer(time.Until(started.Add(minProbeGap)))
	defer soon.Stop()
	select {
	case <-ctx.Done():
	case <-soon.C:
	case <-next.C:
	}
}

// inconclusive notes a probe that says nothing of the script: it failed by
// trouble of this host's own.
func (s *Script) inconclusive(kind string, problem error) {
	s.results[resultLocal].Inc()
	s.trouble(kind)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Last, s.status.Problem = time.Now().UTC(), captcha.Foreign(problem.Error())
}

// evaluate counts a probe and concludes whether the script is away.
func (s *Script) evaluate(problem error) {
	result := resultOK
	if problem != nil {
		result = resultFailed
	}
	s.results[result].Inc()
	s.mu.Lock()
	st := &s.status
	st.Last, st.Problem = time.Now().UTC(), ""
	if st.Since.IsZero() {
		st.Since = st.Last
	}
	if problem == nil {
		if !st.Succeeded {
			st.Since = st.Last
		}
		st.Succeeded, st.Failures = true, 0
	} else {
		st.Failures++
		st.Problem = captcha.Foreign(problem.Error()) // a host may answer at any length
	}
	down := st.Succeeded && st.Failures >= s.cfg.Failures
	changed := down != st.Down
	if changed {
		st.Down, st.Since = down, st.Last
		s.down.Store(down)
	}
	never := !st.Succeeded && st.Failures == s.cfg.Failures && !s.warned
	s.warned = s.warned || never
	now := *st
	s.mu.Unlock()
	s.announce(now, changed, never)
}

func (s *Script) announce(now ScriptStatus, changed, never bool) {
	switch {
	case never:
		s.log.Warn("the page's script could never be fetched from here, so this probe corroborates nothing; look at script_probe.url and at the way out of this machine",
			"failures", now.Failures, "problem", now.Problem)
	case changed && now.Down:
		s.log.Error("the page's script is away: disaster tickets are corroborated",
			"about", "script", "failures", now.Failures, "problem", now.Problem)
	case changed:
		s.log.Info("the page's script is back", "about", "script")
	}
	if changed {
		s.changed(now)
	}
}
