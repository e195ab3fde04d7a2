// Package trace tells OpenTelemetry what becomes of requests: one trace from the
// caller, whose traceparent is taken over, to each attempt at the Captcha API, which
// gets it. Its layers stand around a Handler, a Verifier and a RoundTripper, and no
// other room knows spans. Without a configured collector there is no Tracer, and no
// layer: the methods of a nil one give back what they were given.
//
// No span holds a ticket, an address or a secret.
package trace

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// maxClosing bounds how long Close waits for a collector that does not take spans.
const maxClosing = 2 * time.Second

// A Tracer makes spans, and sends them in the background: a collector that is away or
// slow costs spans and no user's time. It is safe for concurrent use.
type Tracer struct {
	provider   *sdk.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TraceContext
	log        *slog.Logger
}

// New returns a Tracer for cfg, which must be valid, or nil where cfg wants none. The
// version is the service's. What is sampled, and a collector's key, OpenTelemetry's
// own environment variables say: OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG,
// OTEL_EXPORTER_OTLP_HEADERS. Unless they do, what the caller samples is, and all
// requests of callers that do not trace.
func New(ctx context.Context, cfg Config, version string, log *slog.Logger) (*Tracer, error) {
	if cfg.OTLPEndpoint == "" {
		return nil, nil //nolint:nilnil // no layer
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(cfg.url()))
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "captchagate"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		log.Warn("traces tell less of this instance than they could", "error", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(told{exporter, log}), sdk.WithResource(about))
	return &Tracer{provider: provider, tracer: provider.Tracer("captchagate"), log: log}, nil
}

// Close sends what is left, for two seconds at most.
func (t *Tracer) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), maxClosing)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("the last spans could not be sent", "error", err)
	}
}

// told is an exporter whose failures are logged here, and not by OpenTelemetry's
// global handler.
type told struct {
	sdk.SpanExporter
	log *slog.Logger
}

// ExportSpans is the exporter's.
func (e told) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.log.Warn("spans could not be sent to telemetry.otlp_endpoint, and are lost", "error", err)
	}
	return nil
}
