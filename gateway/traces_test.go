package gateway_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
)

// spans is a collector of traces, on a socket.
type spans struct {
	t   *testing.T
	url string

	mu    sync.Mutex
	all   []*otlp.Span
	raw   strings.Builder // what was sent
	fresh chan struct{}
}

func collect(t *testing.T) *spans {
	s := &spans{t: t, fresh: make(chan struct{}, 1)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *spans) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var sent collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &sent); err != nil || r.URL.Path != "/v1/traces" {
		s.t.Errorf("%s: %v", r.URL.Path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(body)
	for _, resource := range sent.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			s.all = append(s.all, scope.GetSpans()...)
		}
	}
	select {
	case s.fresh <- struct{}{}:
	default:
	}
}

// of waits until the first span of a trace has come, which ends last, and returns all as
// "name(attributes asked for)", each below its parent.
func (s *spans) of(trace string, attributes ...string) string {
	s.t.Helper()
	most := time.After(time.Minute)
	for {
		if told := s.tree(trace, attributes); told != "" {
			return told
		}
		select {
		case <-s.fresh:
		case <-most:
			s.t.Fatalf("trace %s did not come", trace)
		}
	}
}

func (s *spans) tree(trace string, attributes []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var told strings.Builder
	for _, span := range s.all {
		if hex.EncodeToString(span.GetTraceId()) == trace && span.GetKind() == otlp.Span_SPAN_KIND_SERVER {
			s.tell(&told, span, attributes)
		}
	}
	return told.String()
}

func (s *spans) tell(told *strings.Builder, span *otlp.Span, attributes []string) {
	told.WriteString(span.GetName())
	for _, name := range attributes {
		for _, a := range span.GetAttributes() {
			if a.GetKey() == "captchagate."+name {
				fmt.Fprintf(told, " %s=%s%s", name, a.GetValue().GetStringValue(), strings.Trim(fmt.Sprint(a.GetValue().GetIntValue()), "0"))
			}
		}
	}
	for _, child := range s.all {
		if string(child.GetParentSpanId()) == string(span.GetSpanId()) {
			told.WriteString(" > ")
			s.tell(told, child, attributes)
		}
	}
}

// trace returns the id of the one trace that no caller began.
func (s *spans) trace(name string) string {
	s.t.Helper()
	most := time.After(time.Minute)
	for {
		s.mu.Lock()
		for _, span := range s.all {
			if span.GetName() == name && len(span.GetParentSpanId()) == 0 {
				defer s.mu.Unlock()
				return hex.EncodeToString(span.GetTraceId())
			}
		}
		s.mu.Unlock()
		select {
		case <-s.fresh:
		case <-most:
			s.t.Fatalf("no span is called %s", name)
		}
	}
}

// traceOf is the n-th trace of a test, and what its caller sends of it.
func traceOf(n int, sampled string) (id, header string) {
	id = fmt.Sprintf("%032x", 0xabc0+n)
	return id, "00-" + id + "-00000000000000aa-" + sampled
}

// One trace leads from the caller to each attempt: of a verified user, of a retry, of an
// SDK's call and in an outage. The API is told of it, the log names it, and S4: there is
// nothing in it that a user sent, and no secret.
func TestTraces_LeadFromTheCallerToTheAttempt(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // ms
	to := collect(t)
	cfg := testConfig(t.TempDir())
	canaries(&cfg)
	cfg.Upstream.Deadline, cfg.Upstream.AttemptTimeout = 20*time.Second, 10*time.Second // a busy machine is no fault
	cfg.Telemetry.OTLPEndpoint, cfg.Log.Decisions, cfg.DropIn = to.url, "all", public.DropIn{Scene: "login"}
	h := &house{t: t, sim: simulator.New(accountOf(cfg))}
	h.open(cfg, func(h *house) { h.tracesAStory(to) })
	h.free("the traces", to.raw.String(), append(h.tickets, "canary", "10.0."))
	h.free("the log", h.log.String(), h.tickets)
}

func (h *house) tracesAStory(to *spans) {
	var calls []string // what the API is told
	h.onWire.Store(new(func(r *http.Request) {
		if r.Header.Get("Traceparent") == "" {
			return // a probe
		}
		calls = append(calls, r.Header.Get("Traceparent"))
		if len(calls) == 4 { // the retry
			h.sim.ClearFault()
		}
	}))
	ask := func(header string) answer {
		h.t.Helper()
		return h.ask(h.canaryUser(), "Authorization", "Bearer "+canaryKey, "Traceparent", header, "Tracestate", "shop=CANARY", "X-Request-Id", "order-"+header[32:35])
	}

	id, header := traceOf(1, "01")
	a := ask(header)
	h.same("verified", to.of(id, "decision", "reason", "outcome", "code"),
		"POST /v1/verify decision=allow reason=verified > verify outcome=passed code=1 > attempt outcome=passed code=1")
	h.same("the log", strings.Join(wordsOf(h.lineOf(a.ID), "decision_id", "request_id", "trace_id"), " "),
		"decision_id="+a.ID+" request_id=order-"+header[32:35]+" trace_id="+id)

	unsampled, header := traceOf(2, "00")
	ask(header)
	h.breaks(simulator.Fault{Kind: simulator.InternalError})
	id, header = traceOf(3, "01")
	ask(header)
	h.same("a retry", to.of(id, "decision", "cause", "outcome", "attempts"),
		"POST /v1/verify decision=allow > verify outcome=passed attempts=2 > attempt cause=upstream_fault outcome=fault > attempt outcome=passed")
	if told := to.tree(unsampled, nil); told != "" {
		h.t.Errorf("a caller does not sample, and there is %s", told)
	}
	if len(calls) != 4 || !strings.Contains(calls[1], unsampled+"-") || !strings.HasSuffix(calls[1], "-00") || !strings.Contains(calls[3], id) || calls[2] == calls[3] {
		h.t.Errorf("the API was told of %v", calls)
	}

	backend := h.throughGateway()
	backend.id, backend.key = canaryID, canarySecret
	ticket, err := h.sim.Issue(simulator.TicketValid, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := backend.asks(h.t, ticket[0], false, func(c *resultCall) { c.AppSecretKey = new(canaryApp) }); err != nil {
		h.t.Fatal(err)
	}
	h.same("an SDK", to.of(to.trace("POST /"), "decision", "outcome"), "POST / decision=allow > verify outcome=passed > attempt outcome=passed")

	if line := h.lineOf("a call to the Captcha API failed"); !strings.Contains(line, "trace_id=") {
		h.t.Errorf("a line about a request names no trace: %s", line)
	}

	h.onWire.Store(nil)
	h.breaks(simulator.Fault{Kind: simulator.InternalError})
	h.drowns("circuit_open")
	id, header = traceOf(4, "01")
	h.ask(h.user("login", simulator.TicketValid), "Authorization", "Bearer "+canaryKey, "Traceparent", header)
	h.free("/metrics", h.metricsOf(canaryToken), h.tickets)
	h.same("an outage", to.of(id, "decision", "cause", "outcome"),
		"POST /v1/verify decision=challenge cause=circuit_open > verify cause=circuit_open outcome=circuit_open")
}

// drowns sends users, twenty at a time, until one is degraded for a cause.
func (h *house) drowns(cause string) {
	h.t.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; {
		var users sync.WaitGroup
		answers := make([]answer, 20)
		for i := range answers {
			f := h.user("login", simulator.TicketValid)
			users.Go(func() { answers[i] = h.ask(f, "Authorization", "Bearer "+canaryKey) })
		}
		users.Wait()
		if answers[19].Cause == cause {
			return
		}
	}
	h.t.Fatalf("nobody is degraded for %s", cause)
}

// wordsOf are the named fields of a line of the log.
func wordsOf(line string, names ...string) (found []string) {
	for _, name := range names {
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(word, name+"=") {
				found = append(found, word)
			}
		}
	}
	return found
}

// metricsOf is /metrics as a holder of a token gets it.
func (h *house) metricsOf(token string) string {
	h.t.Helper()
	w, _ := h.send(h.operators, "GET", "/metrics", "", "Authorization", "Bearer "+token)
	if !strings.Contains(w.Body.String(), "captchagate_decisions_total") {
		h.t.Errorf("no metrics: %d", w.Code)
	}
	return w.Body.String()
}

func (h *house) same(what, got, want string) {
	h.t.Helper()
	if got != want {
		h.t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

// Whoever asks without a trace, where none is configured, leaves the corridor as it is.
func TestTraces_AreNotThereUnlessConfigured(t *testing.T) {
	inHouse(t, func(c *config.Config) { c.Log.Decisions = "all" }, func(h *house) {
		told := "nothing"
		h.onWire.Store(new(func(r *http.Request) { told = fmt.Sprint(r.Header["Traceparent"]) }))
		_, header := traceOf(1, "01")
		a := h.ask(h.user("login", simulator.TicketValid), "Traceparent", header)
		if told != "[]" || strings.Contains(h.lineOf(a.ID), "trace_id") {
			t.Errorf("the API is told %s, and the log says %s", told, h.lineOf(a.ID))
		}
	})
}
