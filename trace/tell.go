package trace

import (
	"context"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// prefix begins the names of attributes that OpenTelemetry has no name for.
const prefix = "captchagate."

// Tell notes what is known of the request that ctx belongs to: pairs of a name and a
// text, of which the empty ones are left out. Texts must hold nothing that a user sent.
func Tell(ctx context.Context, pairs ...string) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			span.SetAttributes(attribute.String(prefix+pairs[i], pairs[i+1]))
		}
	}
}

// An answer notes its status.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader is the writer's.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Flush is the writer's, if it has one.
func (a *answer) Flush() { _ = http.NewResponseController(a.ResponseWriter).Flush() }

// tell ends the span of a request with what its answer says.
func (a *answer) tell(span trace.Span, r *http.Request) {
	span.SetAttributes(
		attribute.String("http.request.method", knownMethod(r.Method)),
		attribute.String("http.route", r.URL.Path),
		attribute.Int("http.response.status_code", a.status),
		attribute.String(prefix+"request_id", a.Header().Get("X-Request-Id")),
	)
	if a.status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(a.status))
	}
	span.End()
}

// Logs has lines that belong to a request say its trace_id.
func Logs(h slog.Handler) slog.Handler { return logs{h} }

type logs struct{ slog.Handler }

// Handle is the Handler's.
func (l logs) Handle(ctx context.Context, r slog.Record) error {
	if id := traceID(ctx); id != "" {
		r.AddAttrs(slog.String("trace_id", id))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs is the Handler's.
func (l logs) WithAttrs(attrs []slog.Attr) slog.Handler { return logs{l.Handler.WithAttrs(attrs)} }

// WithGroup is the Handler's.
func (l logs) WithGroup(name string) slog.Handler { return logs{l.Handler.WithGroup(name)} }
