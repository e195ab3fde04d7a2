package upstream_test

import (
	"net/http"
	"testing"
)

// BenchmarkVerify measures one call without a network: building, signing and
// reading. Over sockets it also measures net/http and the server.
func BenchmarkVerify(b *testing.B) {
	c := newClient(b, wire(func(*http.Request) (*http.Response, error) { return response(200, passes), nil }))
	ticket := webTicket()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Verify(b.Context(), ticket); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify_Loopback(b *testing.B) {
	c, _ := serve(b, pass)
	ticket := webTicket()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Verify(b.Context(), ticket); err != nil {
			b.Fatal(err)
		}
	}
}
