package trace_test

import (
	"strings"
	"testing"

	"captchagate/trace"
)

func TestConfig_TakesAnAddressAlone(t *testing.T) {
	for address, want := range map[string]string{
		"":                                   "",
		"http://127.0.0.1:4318":              "",
		"https://collector.example/otlp":     "",
		"127.0.0.1:4318":                     "must be an address such as",
		"grpc://127.0.0.1:4317":              "must be an address such as",
		"http://":                            "must be an address such as",
		"http://user:SECRET@127.0.0.1:4318":  "OTEL_EXPORTER_OTLP_HEADERS",
		"http://127.0.0.1:4318?token=SECRET": "OTEL_EXPORTER_OTLP_HEADERS",
	} {
		err := trace.Config{OTLPEndpoint: address}.Validate()
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", address, err, want)
		case err != nil && strings.Contains(err.Error(), "SECRET"):
			t.Errorf("%q is shown: %v", address, err)
		}
	}
}
