package upstream_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"captchagate/upstream"
)

// BenchmarkVerify measures one call without a network: building, signing and
// reading. Over sockets it also measures net/http and the server.
func BenchmarkVerify(b *testing.B) {
	benchmarkVerify(b, newClient(b, inProcess))
}

func BenchmarkVerify_Loopback(b *testing.B) {
	c, _ := serve(b, pass)
	benchmarkVerify(b, c)
}

// BenchmarkSDK measures the same call through the SDK's own client.
func BenchmarkSDK(b *testing.B) {
	benchmarkSDK(b, newOracle(b, config("https://captcha.example"), inProcess))
}

func BenchmarkSDK_Loopback(b *testing.B) {
	_, s := serve(b, pass)
	benchmarkSDK(b, newOracle(b, config(s.URL), &http.Transport{MaxIdleConnsPerHost: 8}))
}

var inProcess = wire(func(*http.Request) (*http.Response, error) { return response(200, passes), nil })

func benchmarkVerify(b *testing.B, c *upstream.Client) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // the breaker sets one
	defer cancel()
	ticket := webTicket()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Verify(ctx, ticket); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkSDK(b *testing.B, o oracle) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	ticket := webTicket()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := o.ask(ctx, ticket, appSecretKey); err != nil {
			b.Fatal(err)
		}
	}
}
