package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// C16, S10: whoever opens more idle connections than the process may have
// descriptors neither keeps users out nor makes its own shortage an outage of the
// Captcha API.
func TestServe_IdleConnectionsAreNoOutage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.gateway.kill(t)
	const descriptors = 300
	p, err := start(h.folder, h.environ, "sh", "-c", fmt.Sprintf("ulimit -n %d; exec gateway serve --config %s", descriptors, h.config()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conclude(t) })
	if h.gateway, err = p.becomesGateway(); err != nil {
		t.Fatal(err)
	}
	flood := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	for range 2 * descriptors {
		c, err := flood.DialContext(t.Context(), "tcp", h.gateway.listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	for i := range 100 {
		if d := h.verify(h.ticket("valid"), "login"); d.Reason != "verified" {
			t.Fatalf("user %d got %+v", i, d)
		}
	}
	if s := h.status(); s.Breaker.State != "closed" || len(s.Breaker.Transitions) > 0 {
		t.Errorf("the flood moved the circuit: %+v", s.Breaker)
	}
	if !strings.Contains(p.stderr.String(), `"lowered_to"`) {
		t.Error("the log does not say that max_connections was lowered")
	}
	_, metrics := ask(t, http.MethodGet, "http://"+h.gateway.admin+"/metrics", "")
	for line := range strings.Lines(string(metrics)) {
		if rest, found := strings.CutPrefix(line, "captchagate_connections "); found {
			var open float64
			if err := json.Unmarshal([]byte(rest), &open); err != nil || open < 0 || open > descriptors/2 { // 0: on a busy machine they have waited too long
				t.Errorf("captchagate_connections is %s", rest)
			}
			return
		}
	}
	t.Error("there is no captchagate_connections")
}
