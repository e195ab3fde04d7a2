package trace

import (
	"errors"
	"net/url"
	"strings"
)

// Config says where traces go: the section "telemetry".
type Config struct {
	// OTLPEndpoint is a collector's address for OTLP over HTTP, as OpenTelemetry's
	// exporters take it: spans go to /v1/traces below it. "" = no traces.
	OTLPEndpoint string `yaml:"otlp_endpoint"`
}

// Validate lists every mistake in c, each as "key: what is wrong". None shows the
// address, which may hold what is secret.
func (c Config) Validate() error {
	if c.OTLPEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.OTLPEndpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("otlp_endpoint: must be an address such as http://127.0.0.1:4318, of OTLP over HTTP")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("otlp_endpoint: must be an address alone; a collector's key goes into the environment variable OTEL_EXPORTER_OTLP_HEADERS")
	}
	return nil
}

const tracesPath = "/v1/traces"

// url is where spans are posted.
func (c Config) url() string {
	base := strings.TrimRight(c.OTLPEndpoint, "/")
	return strings.TrimSuffix(base, tracesPath) + tracesPath
}
