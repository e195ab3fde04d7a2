package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/breaker"
	"captchagate/captcha"
	"captchagate/config"
	"captchagate/gateway"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/simulator"
	"captchagate/tc3"
	"captchagate/upstream"
)

// passing is the Captcha API without a network: it passes every ticket.
type passing struct{}

const passed = `{"Response":{"CaptchaCode":1,"CaptchaMsg":"OK","EvilLevel":0,"GetCaptchaTime":1700000000,"SubmitCaptchaTime":1700000001,"EvilBitmap":0,"DeviceRiskCategory":"","Score":3,"RequestId":"6f1b7c2e-3e2a-4f63-9a8e-0d5c1b2a3f4e"}}`

func (passing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil { // the script probe has none
		_, _ = io.Copy(io.Discard, r.Body)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(passed)), ContentLength: int64(len(passed)),
	}, nil
}

// The rooms beside the corridor, as little of them as it takes.
type (
	peace  struct{ policy.Challenger }
	memory struct {
		policy.Passes
		used *once.Set
	}
	forgetful struct{}
)

func (peace) Forced(string, captcha.Ticket) policy.Force { return policy.ForceNone }
func (peace) Degraded(string) (bool, time.Time)          { return false, time.Time{} }
func (peace) Standing(string) policy.Standing            { return policy.Standing{} }
func (peace) ScriptDown() bool                           { return false }
func (m memory) LetThrough(captcha.Key) bool             { return false }
func (m memory) Seen(captcha.Key) bool                   { return false }
func (forgetful) Transition(breaker.Transition)          {}
func (forgetful) Account(breaker.Account)                {}
func (forgetful) Throttling(breaker.Throttling, bool)    {}
func (m memory) Claim(k captcha.Key) bool                { return m.used.Add(k) }

// BenchmarkCorridor is a ticket's way without HTTP on either end: policy,
// breaker, upstream with the SDK, and back.
func BenchmarkCorridor(b *testing.B) {
	cfg, reg, log := testConfig(b.TempDir()), prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	client, err := upstream.New(cfg.Upstream.Config, cfg.Upstream.MaxInFlight, passing{}, reg)
	if err != nil {
		b.Fatal(err)
	}
	ports := breaker.Ports{Fates: once.NewSet(captcha.TicketLife, 1000), Abandoned: once.NewSet(captcha.TicketLife, 1000), Journal: forgetful{}, Connections: client}
	br, err := breaker.New(client, ports, cfg.Upstream.Apps[0].CaptchaAppID, []byte("the order of users"), cfg.Breaker, cfg.Upstream.Limits, log, reg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ran := make(chan struct{})
	go func() { br.Run(ctx); close(ran) }()
	b.Cleanup(func() { cancel(); <-ran })
	tickets := memory{used: once.NewSet(captcha.TicketLife, 100_000)}
	p := policy.New(br, policy.Ports{Situation: peace{}, Challenger: peace{}, Ledger: tickets, Passes: tickets, Refusals: once.NewSet(captcha.TicketLife, 1000)},
		policy.Config{Scenes: cfg.Scenes}, nil, log, reg)
	r := policy.Request{Scene: "login", Ticket: captcha.Ticket{
		Randstr: "@abc", AppID: cfg.Upstream.Apps[0].CaptchaAppID, UserIP: netip.MustParseAddr("192.0.2.7"),
	}}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		r.Ticket.Value = fmt.Sprintf("tr03%0100d", n)
		if d := p.Decide(b.Context(), r); d.Reason != policy.ReasonVerified {
			b.Fatalf("%+v", d)
		}
	}
}

// A sheet is a response that nobody reads.
type sheet struct {
	header http.Header
	status int
	body   []byte
}

func (s *sheet) Header() http.Header         { return s.header }
func (s *sheet) WriteHeader(status int)      { s.status = status }
func (s *sheet) Write(p []byte) (int, error) { s.body = append(s.body, p...); return len(p), nil }

// BenchmarkHandler is a whole request to POST /v1/verify, apart from the
// sockets: as verified, and as forced degraded.
func BenchmarkHandler(b *testing.B) {
	for _, bench := range []struct{ name, scene, mode, want string }{
		{"verified", "login", "auto", `"verified"`},
		{"degraded_deny", "payment", "degraded", `"degraded_deny"`},
		{"degraded_challenge", "login", "degraded", `"challenge_required"`},
		{"degraded_allow", "comment", "degraded", `"degraded_allow"`}, // one write to the store each
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := handlerOf(b, passing{}, bench.mode, slog.New(slog.DiscardHandler))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				if s := post(b, h, bench.scene, n); !strings.Contains(string(s.body), bench.want) {
					b.Fatalf("%d %s", s.status, s.body)
				}
			}
		})
	}
}

// BenchmarkDecisionLine is a denied request with a line in the log and without, by turns
// in one run: "with/without" is what P5 pays for log.decisions. Times are of the process
// on its cores, the writing of the line included.
func BenchmarkDecisionLine(b *testing.B) {
	lines := gateway.NewLogWriter(io.Discard)
	defer lines.Close()
	log := gateway.NewLogger(lines, config.Log{Level: "info", Format: "json"})
	handler := func(decisions string) http.Handler {
		return handlerOf(b, passing{}, "degraded", log, func(c *config.Config) { c.Log.Decisions = decisions })
	}
	handlers := []http.Handler{handler("none"), handler("exceptions")}
	var took [2]time.Duration
	n := 0
	for b.Loop() {
		for i, h := range handlers {
			began := onCores(b)
			for range 500 {
				n++
				if s := post(b, h, "payment", n); s.status != http.StatusOK {
					b.Fatalf("%d %s", s.status, s.body)
				}
			}
			took[i] += onCores(b) - began
		}
	}
	b.ReportMetric(float64(took[0].Nanoseconds())/float64(n/2), "ns/without")
	b.ReportMetric(float64(took[1].Nanoseconds())/float64(n/2), "ns/with")
	b.ReportMetric(float64(took[1])/float64(took[0]), "with/without")
}

// onCores is for how long the process has run on its cores.
func onCores(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// handlerOf is the gateway's handler over an API, with budgets that no benchmark
// uses up.
func handlerOf(b testing.TB, api http.RoundTripper, mode string, log *slog.Logger, change ...func(*config.Config)) http.Handler {
	b.Helper()
	cfg := testConfig(b.TempDir())
	for _, c := range change {
		c(&cfg)
	}
	cfg.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 1_000_000, Per: time.Second}, For: time.Hour}}
	ctx, cancel := context.WithCancel(b.Context())
	g, err := gateway.New(ctx, cfg, api, nil, log)
	if err != nil {
		b.Fatal(err)
	}
	wait := g.Start(ctx)
	b.Cleanup(func() { cancel(); wait(); g.Close() })
	r := ask(b, http.MethodPut, "/admin/v1/mode", fmt.Sprintf(`{"mode":%q,"reason":"benchmark"}`, mode))
	s := &sheet{header: http.Header{}}
	g.AdminHandler().ServeHTTP(s, r)
	if s.status != http.StatusOK {
		b.Fatalf("%d %s", s.status, s.body)
	}
	return g.Handler()
}

func post(b *testing.B, h http.Handler, scene string, n int) *sheet {
	s := &sheet{header: http.Header{}, body: make([]byte, 0, 1024)}
	h.ServeHTTP(s, ask(b, http.MethodPost, "/v1/verify",
		fmt.Sprintf(`{"ticket":"tr03%0100d","randstr":"@abc","user_ip":"192.0.2.7","scene":%q}`, n, scene)))
	return s
}

// ask is a request as a server would hand it in.
func ask(b testing.TB, method, path, body string) *http.Request {
	r := &http.Request{
		Method: method, URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}},
		Host:   "127.0.0.1:8081", RemoteAddr: "127.0.0.1:40000",
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	return r.WithContext(b.Context())
}

// BenchmarkDropIn is a verified request by the drop-in and by POST /v1/verify, by turns
// in one run: "drop-in/verify" is the ratio of their times on the cores. Making and
// signing the requests is not measured.
func BenchmarkDropIn(b *testing.B) {
	b.Cleanup(gateway.TuneGC(func() (uint64, error) { return 1 << 30, nil }))
	h := handlerOf(b, passing{}, "auto", slog.New(slog.DiscardHandler), droppedIn("login"))
	const each = 500
	var took [2]time.Duration
	n := 0
	for b.Loop() {
		for way := range took {
			requests, answers := make([]*http.Request, each), make([]*sheet, each)
			for i := range requests {
				n++
				answers[i] = &sheet{header: http.Header{}, body: make([]byte, 0, 1024)}
				requests[i] = verifiable(b, way, n)
			}
			began := onCores(b)
			for i, r := range requests {
				h.ServeHTTP(answers[i], r)
			}
			took[way] += onCores(b) - began
			for _, s := range answers {
				if s.header.Get("X-Gateway-Decision") != "allow" && !strings.Contains(string(s.body), `"verified"`) {
					b.Fatalf("%d %s", s.status, s.body)
				}
			}
		}
	}
	b.ReportMetric(float64(took[0].Nanoseconds())/float64(b.N*each), "verify-ns")
	b.ReportMetric(float64(took[1].Nanoseconds())/float64(b.N*each), "drop-in-ns")
	b.ReportMetric(float64(took[1])/float64(took[0]), "drop-in/verify")
}

// BenchmarkDropIn_Memory is what a call of the drop-in leaves in memory for the next
// five minutes, beyond what a request to POST /v1/verify leaves: its answer, for who asks
// again.
func BenchmarkDropIn_Memory(b *testing.B) {
	h := handlerOf(b, passing{}, "auto", slog.New(slog.DiscardHandler), droppedIn("login"))
	const calls = 20_000
	n, kept := 0, [2]uint64{}
	for b.Loop() {
		for way := range kept {
			before := heap()
			for range calls {
				n++
				h.ServeHTTP(&sheet{header: http.Header{}}, verifiable(b, way, n))
			}
			kept[way] += heap() - before
		}
	}
	b.ReportMetric(float64(kept[1]-kept[0])/float64(b.N*calls), "kept-B/call")
}

// heap is what is alive, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// verifiable is a request that will be verified: 0 is POST /v1/verify, 1 the drop-in.
func verifiable(b *testing.B, way, n int) *http.Request {
	b.Helper()
	if way == 0 {
		return ask(b, http.MethodPost, "/v1/verify", fmt.Sprintf(`{"ticket":"tr03%0100d","randstr":"@abc","user_ip":"192.0.2.7","scene":"login"}`, n))
	}
	body := fmt.Sprintf(`{"CaptchaType":9,"Ticket":"tr03%0100d","UserIp":"192.0.2.7","Randstr":"@abc","CaptchaAppId":%d,"AppSecretKey":%q}`, n, simulator.DefaultAppID, simulator.DefaultAppSecretKey)
	r := ask(b, http.MethodPost, "/", body)
	now := time.Now().Unix()
	signer := tc3.NewSigner(simulator.DefaultSecretID, simulator.DefaultSecretKey, "captcha", "content-type;host", "content-type:application/json\nhost:"+r.Host+"\n")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Tc-Action", "DescribeCaptchaResult")
	r.Header.Set("X-Tc-Version", "2019-07-22")
	r.Header.Set("X-Tc-Timestamp", fmt.Sprint(now))
	r.Header.Set("Authorization", signer.Authorization([]byte(body), now))
	return r
}

// BenchmarkTraces is a verified request, apart from the sockets, with traces off and on, by
// turns in one run, by the times on the cores. "on/off" is what they cost where one request
// in a hundred is sampled by its caller and the others come with a traceparent too;
// "ratio/off" where callers do not trace and OTEL_TRACES_SAMPLER samples as many; "off/off" is
// how far the figures can be trusted. The collector is there.
func BenchmarkTraces(b *testing.B) {
	b.Cleanup(gateway.TuneGC(func() (uint64, error) { return 1 << 30, nil }))
	b.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	b.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.01")
	to := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(to.Close)
	handler := func(endpoint string) http.Handler {
		return handlerOf(b, passing{}, "auto", slog.New(slog.DiscardHandler), func(c *config.Config) { c.Telemetry.OTLPEndpoint = endpoint })
	}
	ways := []struct {
		h      http.Handler
		traces bool // the caller does
		took   time.Duration
	}{{h: handler(""), traces: true}, {h: handler(""), traces: true}, {h: handler(to.URL), traces: true}, {h: handler(to.URL)}}
	const each = 500
	n, turn := 0, 0
	for b.Loop() {
		turn++
		for i := range ways {
			way := &ways[(turn+i)%len(ways)] // none is always the first
			requests := make([]*http.Request, each)
			for i := range requests {
				n++
				requests[i] = verifiable(b, 0, n)
				if way.traces {
					requests[i].Header["Traceparent"] = []string{fmt.Sprintf("00-%032x-00000000000000aa-%02d", n, 1-min(1, i%100))}
				}
			}
			began := onCores(b)
			for _, r := range requests {
				way.h.ServeHTTP(&sheet{header: http.Header{}, body: make([]byte, 0, 1024)}, r)
			}
			way.took += onCores(b) - began
		}
	}
	b.ReportMetric(float64(ways[0].took.Nanoseconds())/float64(b.N*each), "off-ns")
	for i, name := range []string{"off/off", "on/off", "ratio/off"} {
		b.ReportMetric(float64(ways[i+1].took)/float64(ways[0].took), name)
	}
}
