package simulator_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"captchagate/simulator"
)

// BenchmarkCall is what a measurement of something else pays for the simulator:
// one signed call in process, without latency.
func BenchmarkCall(b *testing.B) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	tickets, err := s.Issue("valid", 1)
	if err != nil {
		b.Fatal(err)
	}
	template := request(b.Context(), "http://captcha.test", web, callFor(tickets[0]))
	body, err := io.ReadAll(template.Body)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r := *template
		r.Body = io.NopCloser(bytes.NewReader(body))
		resp, err := s.RoundTrip(&r)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
	}
}
