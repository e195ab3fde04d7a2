package main

import (
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"captchagate/certs/certstest"
)

// A health check knows the listener from the configuration alone, over TLS and where
// callers need a certificate too. It says so at once when the gateway drains, which goes on
// serving (shutdown.delay).
func TestReady_NeedsNoCertificateAndSeesTheDrain(t *testing.T) {
	t.Parallel()
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), 1, time.Hour)
	listen := "127.0.0.1:" + freePort(t)
	h := newHouse(t, "GATEWAY__SHUTDOWN__DELAY=30s")
	h.gateway.kill(t)
	h.environ = append(h.environ, "GATEWAY__LISTEN="+listen, "GATEWAY__TLS__CERT="+cert, "GATEWAY__TLS__KEY="+key, "GATEWAY__TLS__CLIENT_CA="+authority.File)
	h.start()
	h.ready(0)
	h.gateway.send(t, syscall.SIGTERM)
	eventually(t, "the gateway drains", func() bool { return h.ready(-1) == 1 })
	client := http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: authority.Client(true)}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("https://" + listen + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	h.gateway.send(t, os.Interrupt) // a second signal ends the delay
}

// ready runs "gateway ready" and returns its exit code, which must be want unless that is
// negative.
func (h *house) ready(want int) int {
	h.t.Helper()
	p := begin(h.t, h.folder, h.environ, "gateway", "ready", "--config", h.config())
	<-p.ended
	code := p.cmd.ProcessState.ExitCode()
	if want >= 0 && code != want {
		h.t.Fatalf("gateway ready ended with %d, want %d: %s", code, want, p.stderr)
	}
	return code
}
