package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// S10: strangers who hold one idle connection each do not cost a backend the
// connections that it keeps, on which it has shown its key.
func TestServe_StrangersCutNoBackendsConnections(t *testing.T) {
	t.Parallel()
	const key = "shop-key-0123456789abcdef"
	h := newHouse(t, "GATEWAY__MAX_CONNECTIONS=32")
	h.gateway.signal(t, os.Interrupt, 0, patience)
	h.write(h.shipped() + "api_keys: [{name: shop, key: " + key + "}]\n")
	h.start()

	kept := make([]*backend, 10)
	for i := range kept {
		kept[i] = h.backend(key)
		kept[i].verifies(i)
	}
	for i := range 200 {
		stranger := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/100), byte(1+i%100))}}
		c, err := stranger.DialContext(t.Context(), "tcp", h.gateway.listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	for i, b := range kept {
		b.verifies(i)
	}
}

// A backend is one connection that is kept.
type backend struct {
	*house
	key  string
	conn net.Conn
	in   *bufio.Reader
}

func (h *house) backend(key string) *backend {
	h.t.Helper()
	c, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", h.gateway.listen)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &backend{h, key, c, bufio.NewReader(c)}
}

// verifies asks about a good ticket.
func (b *backend) verifies(n int) {
	b.t.Helper()
	body := verifyBody(b.ticket("valid"), "login")
	_, _ = fmt.Fprintf(b.conn, "POST /v1/verify HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", b.key, len(body), body)
	r, err := http.ReadResponse(b.in, nil)
	if err != nil {
		b.t.Errorf("kept connection %d was cut: %v", n, err)
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	if d := decisionOf(b.t, r.StatusCode, text); d.Reason != "verified" {
		b.t.Errorf("on kept connection %d: %+v", n, d)
	}
}
