package trace

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// A caller that does not sample costs no span: its traceparent is passed on as it came.
// Nearly all requests of a fleet that samples few are such.

// Of a traceparent of version 00: 00-<trace, 32 hex digits>-<span, 16>-<flags, 2>.
const (
	parentLen = 55
	traceAt   = 3
	spanAt    = 36
	flagsAt   = 53
)

// unsampled is the traceparent of a caller that does not sample, else "".
func unsampled(h http.Header) string {
	sent := h["Traceparent"]
	if len(sent) != 1 || len(sent[0]) != parentLen {
		return ""
	}
	parent := sent[0]
	dashes := parent[:traceAt] == "00-" && parent[spanAt-1] == '-' && parent[flagsAt-1] == '-'
	even := strings.IndexByte("02468ace", parent[parentLen-1]) >= 0
	if !dashes || !even || !names(parent[traceAt:spanAt-1]) || !names(parent[spanAt:flagsAt-1]) {
		return ""
	}
	return parent
}

// names reports whether s names something: hex digits that are not all 0.
func names(s string) bool {
	zeros := 0
	for i := range len(s) {
		switch b := s[i]; {
		case b == '0':
			zeros++
		case '1' <= b && b <= '9', 'a' <= b && b <= 'f':
		default:
			return false
		}
	}
	return zeros < len(s)
}

type passedKey struct{}

func passing(ctx context.Context, parent string) context.Context {
	return context.WithValue(ctx, passedKey{}, parent)
}

// passed is the traceparent that is passed on as it came, "" if none is.
func passed(ctx context.Context) string {
	parent, _ := ctx.Value(passedKey{}).(string)
	return parent
}

// traceID names the trace that ctx belongs to, "" for none.
func traceID(ctx context.Context) string {
	if parent := passed(ctx); parent != "" {
		return parent[traceAt : spanAt-1]
	}
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		return s.TraceID().String()
	}
	return ""
}
