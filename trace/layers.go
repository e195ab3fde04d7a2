package trace

import (
	"context"
	"net/http"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"captchagate/captcha"
)

// Handler begins or goes on with the trace of each request to one of the paths; others
// have none.
func (t *Tracer) Handler(next http.Handler, paths ...string) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(paths, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		t.serve(next, w, r)
	})
}

func (t *Tracer) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if parent := unsampled(r.Header); parent != "" {
		next.ServeHTTP(w, r.WithContext(passing(r.Context(), parent)))
		return
	}
	ctx, span := t.tracer.Start(t.caller(r), knownMethod(r.Method)+" "+r.URL.Path, asServer...)
	if !span.IsRecording() {
		next.ServeHTTP(w, r)
		return
	}
	answer := &answer{ResponseWriter: w, status: http.StatusOK}
	defer answer.tell(span, r)
	next.ServeHTTP(answer, r.WithContext(ctx))
}

var asServer = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

// caller returns the context of the request with its caller's span, if it has one. A
// tracestate goes no further, into no span and to no other company: it may hold anything.
func (t *Tracer) caller(r *http.Request) context.Context {
	if r.Header["Traceparent"] == nil {
		return r.Context()
	}
	ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	s := trace.SpanContextFromContext(ctx)
	return trace.ContextWithRemoteSpanContext(ctx, s.WithTraceState(trace.TraceState{}))
}

// knownMethod is a method, or what OpenTelemetry has for others: the word is the
// client's.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "_OTHER"
}

// Requests stands around what asks on behalf of a request, the retries of it included.
func (t *Tracer) Requests(next captcha.Verifier) captcha.Verifier {
	return t.verifier(next, "verify", trace.SpanKindInternal)
}

// Attempts stands around what makes one call to the Captcha API.
func (t *Tracer) Attempts(next captcha.Verifier) captcha.Verifier {
	return t.verifier(next, "attempt", trace.SpanKindClient)
}

func (t *Tracer) verifier(next captcha.Verifier, name string, kind trace.SpanKind) captcha.Verifier {
	if t == nil {
		return next
	}
	return verifier{next, t.tracer, name, kind}
}

// A verifier is a layer around one. What belongs to no sampled request, as probes do,
// passes.
type verifier struct {
	next   captcha.Verifier
	tracer trace.Tracer
	name   string
	kind   trace.SpanKind
}

// Verify is the one below, within a span.
func (v verifier) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return v.next.Verify(ctx, t)
	}
	ctx, span := v.tracer.Start(ctx, v.name, trace.WithSpanKind(v.kind))
	defer span.End()
	verdict, err := v.next.Verify(ctx, t)
	if err != nil {
		f := captcha.AsFailure(err)
		describe(span, f.Kind.String(), f.Answer, f.Attempts)
		Tell(ctx, "cause", string(f.Kind.Cause()), "error_code", f.Code, "upstream_request_id", f.RequestID)
		span.SetStatus(codes.Error, f.Kind.String())
		return verdict, err
	}
	describe(span, verdict.Outcome.String(), verdict.Answer, verdict.Attempts)
	return verdict, nil
}

// describe tells what came of a call, or of the calls for a request: attempts is 0 of a
// single one.
func describe(span trace.Span, outcome string, a *captcha.Answer, attempts int) {
	span.SetAttributes(attribute.String(prefix+"outcome", outcome))
	if a != nil {
		span.SetAttributes(attribute.Int64(prefix+"code", a.Code), attribute.String(prefix+"upstream_request_id", a.RequestID))
	}
	if attempts > 0 {
		span.SetAttributes(attribute.Int(prefix+"attempts", attempts))
	}
}

// RoundTripper passes the traceparent on with each call, and notes the status that
// comes back. A request's header must be its own, for that is written to.
func (t *Tracer) RoundTripper(next http.RoundTripper) http.RoundTripper {
	return roundTripper{next, t.propagator}
}

type roundTripper struct {
	next       http.RoundTripper
	propagator propagation.TraceContext
}

// RoundTrip is the one below.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if parent := passed(r.Context()); parent != "" {
		r.Header["Traceparent"] = []string{parent}
		return t.next.RoundTrip(r)
	}
	span := trace.SpanFromContext(r.Context())
	if !span.IsRecording() {
		return t.next.RoundTrip(r)
	}
	t.propagator.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	}
	return resp, err
}
