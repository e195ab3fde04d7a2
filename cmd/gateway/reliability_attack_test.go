package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"captchagate/certs/certstest"
)

// S10: two thousand connections that send a byte a second, heads and bodies, beside users.
func TestReliability_Slowloris(t *testing.T) {
	trial(t)
	h := newTrial(t)
	h.start()
	const strangers = 2000
	head := "POST /v1/verify HTTP/1.1\r\nHost: gateway\r\nX-Slow: "
	body := "POST /v1/verify HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
	h.comes("login", 1000).leavesAfter(4 * time.Second) // until garbage is as much as it gets
	rest := h.gateway.weighs(t).now
	h.gateway.lightens(t)
	stop := make(chan struct{})
	d := h.strangers(strangers, func(i int) string { return []string{head, body}[i%2] }, stop)
	users := h.comes("login", 50).leavesAfter(25 * time.Second)
	open := h.metric("captchagate_connections")
	close(stop)
	w := h.gateway.weighs(t)
	most := 1.5*rest + strangers*20.0/1024
	figure(t, "slowloris: %.0f of %d strangers held, %d cut and back; of %d users %.1f %% verified, p99 %v; memory %.1f MB at rest, %.1f MB at most (bound %.1f MB)",
		open, strangers, d.cut.Load(), len(users), users.percent(verified), users.quantile(0.99), rest, w.peak, most)
	if users.percent(verified) < 95 || w.peak > most {
		t.Errorf("S10: %s", users.reasons())
	}
}

// S10: heads of many or long fields, over HTTP/1.1 in the clear and under TLS, and over
// HTTP/2.
func TestReliability_HugeHeads(t *testing.T) {
	t.Parallel()
	h := newTrial(t)
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), 1, 90*24*time.Hour)
	for _, secure := range []bool{false, true} {
		name := "clear"
		if secure {
			name, h.trust = "TLS", authority.Client(false)
			h.gateway.signal(t, os.Interrupt, 0, patience)
			h.environ = append(h.environ, "GATEWAY__TLS__CERT="+cert, "GATEWAY__TLS__KEY="+key)
		}
		h.start()
		usual := "GET /healthz HTTP/1.1\r\nHost: gateway\r\n"
		for _, row := range []struct {
			what, head string
			want       int
		}{
			{"60 fields", usual + strings.Repeat("a: b\r\n", 60), 200},
			{"101 fields", usual + strings.Repeat("a: b\r\n", 101), 431},
			{"3,000 fields", usual + strings.Repeat("a:b\r\n", 3000), 431},
			{"one field of 15 KiB", usual + "a: " + strings.Repeat("b", 15<<10) + "\r\n", 200},
			{"one field of 1 MiB", usual + "a: " + strings.Repeat("b", 1<<20) + "\r\n", 431},
		} {
			if got := h.raw(row.head + "\r\n"); got.status != row.want || row.want == 431 && got.kept {
				t.Errorf("%s, %s: %+v, want %d", name, row.what, got, row.want)
			}
		}
		if *full {
			held := h.holdsHeads(usual+strings.Repeat("a: "+strings.Repeat("b", 100)+"\r\n", 95), 1000)
			figure(t, "huge heads, %s: 101 fields, 3,000 fields and 1 MiB are 431 and the end of their connection; 1,000 connections that stop after 95 fields of 10 KiB take %.0f kB each", name, held)
		}
	}
	h.overHTTP2(authority)
}

// overHTTP2 sends long heads over HTTP/2.
func (h *house) overHTTP2(authority *certstest.Authority) {
	h.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: authority.Client(false), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	for _, row := range []struct {
		what   string
		fields int
		long   int
	}{{"3,000 fields", 3000, 1}, {"20 fields of 1 KiB", 20, 1 << 10}} {
		r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url()+"/healthz", nil)
		if err != nil {
			h.t.Fatal(err)
		}
		for i := range row.fields {
			r.Header.Set(fmt.Sprintf("X-%d", i), strings.Repeat("b", row.long))
		}
		resp, err := client.Do(r)
		switch {
		case err != nil:
			figure(h.t, "huge heads, HTTP/2: %s: %v", row.what, err)
		default:
			_ = resp.Body.Close()
			figure(h.t, "huge heads, HTTP/2: %s: %d", row.what, resp.StatusCode)
			if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				h.t.Errorf("%s over HTTP/2: %d", row.what, resp.StatusCode)
			}
		}
	}
}

// A raw answer is what came of bytes that were sent as they are.
type raw struct {
	status int  // of the first answer; 0 = none
	kept   bool // the connection answers another request afterwards
	more   int  // answers that came unasked
}

func (h *house) dialed() net.Conn {
	h.t.Helper()
	c, err := h.dials(0)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if h.trust != nil {
		trust := h.trust.Clone()
		trust.ServerName, trust.NextProtos = "127.0.0.1", nil
		c = tls.Client(c, trust)
	}
	return c
}

// raw sends bytes, and then asks for something else on the same connection.
func (h *house) raw(bytes string) (got raw) {
	h.t.Helper()
	c := h.dialed()
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.WriteString(c, bytes) }() // it may be refused before all is sent
	in := bufio.NewReader(c)
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return got
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	got.status = r.StatusCode
	if _, err := io.WriteString(c, "HEAD /openapi.yaml HTTP/1.1\r\nHost: gateway\r\n\r\n"); err != nil || r.Close {
		return got
	}
	for {
		r, err := http.ReadResponse(in, &http.Request{Method: http.MethodHead})
		if err != nil {
			return got
		}
		if r.Header.Get("Content-Type") != "" && strings.Contains(r.Header.Get("Content-Type"), "yaml") {
			got.kept = true
			return got
		}
		got.more++
	}
}

// holdsHeads has n connections send a head and not end it, and returns what each takes, in kB.
func (h *house) holdsHeads(head string, n int) float64 {
	h.t.Helper()
	rest := h.gateway.weighs(h.t).now
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = h.dialed()
		_, _ = io.WriteString(conns[i], head)
	}
	<-time.After(time.Second)
	now := h.gateway.weighs(h.t).now
	for _, c := range conns {
		_ = c.Close()
	}
	return max(0, now-rest) * 1024 / float64(n)
}

// What proxies and servers read in two ways is refused, or its connection ends, so that
// nobody's request is hidden in another's.
func TestReliability_Smuggling(t *testing.T) {
	t.Parallel()
	h := newTrial(t)
	h.start()
	const hidden = "GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"
	post := "POST /v1/verify HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
	chunked, refused := "0\r\n\r\n"+hidden, 0
	for _, row := range []struct {
		name, bytes string
	}{
		{"CL and TE", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"TE and CL", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
		{"CL.TE with a request hidden", post + fmt.Sprintf("Content-Length: %d\r\ntransfer-encoding: chunked\r\n\r\n%s", len(chunked), chunked)},
		{"TE.TE, twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked},
		{"TE.TE, in a list", post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked},
		{"TE.TE, another word", post + "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n" + chunked},
		{"a tab before the colon", post + "Transfer-Encoding\t: chunked\r\nContent-Length: 5\r\n\r\n" + chunked},
		{"a blank before the colon", post + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n" + chunked},
		{"TE after a vertical tab", post + "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n" + chunked},
		{"CL.CL, two lengths", post + "Content-Length: 5\r\nContent-Length: 45\r\n\r\n" + chunked},
		{"CL.CL, a list", post + "Content-Length: 5, 45\r\n\r\n" + chunked},
		{"a signed length", post + "Content-Length: +5\r\n\r\n" + chunked},
		{"a length of hex digits", post + "Content-Length: 0x5\r\n\r\n" + chunked},
		{"a negative length", post + "Content-Length: -5\r\n\r\n" + chunked},
		{"obs-fold", post + "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n"},
		{"obs-fold of TE", post + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n" + chunked},
		{"obs-fold of CL", post + "Content-Length:\r\n 45\r\n\r\n" + chunked},
		{"bare CR in a field", post + "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"},
		{"NUL in a field", post + "X-A: b\x00\r\nContent-Length: 0\r\n\r\n"},
		{"a field without a colon", post + "Transfer-Encoding chunked\r\nContent-Length: 0\r\n\r\n"},
		{"a field without a name", post + ": chunked\r\nContent-Length: 0\r\n\r\n"},
		{"two hosts", post + "Host: other\r\nContent-Length: 0\r\n\r\n"},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n"},
		{"chunk sizes with a sign", post + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + hidden},
		{"a chunk size that overflows", post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + hidden},
		{"a bare LF behind a chunk size", post + "Transfer-Encoding: chunked\r\n\r\n0\n\r\n" + hidden},
		{"a chunk longer than it says", post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + hidden},
		{"TE under HTTP/1.0", strings.Replace(post, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n" + chunked},
		{"a blank in the target", "GET /healthz x HTTP/1.1\r\nHost: gateway\r\n\r\n"},
		{"bare LF", "GET /healthz HTTP/1.1\nHost: gateway\n\n"},
		{"one bare LF", "GET /healthz HTTP/1.1\r\nHost: gateway\nX: y\r\n\r\n"},
		{"bare LF between fields", "POST /v1/verify HTTP/1.1\nHost: gateway\nContent-Type: application/json\nContent-Length: 5\nTransfer-Encoding: chunked\n\n" + chunked},
	} {
		refused++
		if got := h.raw(row.bytes); got.status < 400 || got.kept || got.more > 0 {
			t.Errorf("%s: %+v, want it refused, and the end of its connection", row.name, got)
		}
	}
	if got := h.raw("GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"); got.status != http.StatusOK || !got.kept {
		t.Errorf("an upgrade to HTTP/2 in the clear, which there is not: %+v", got)
	}
	if got := h.raw(post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"); got.status != http.StatusBadRequest || !got.kept {
		t.Errorf("chunks as they should be: %+v", got)
	}
	figure(t, "smuggling: %d of %d forms are refused and end their connection; a request hidden behind one is never answered", refused, refused)
}

// S8, S10: ten times what the gateway may have in flight, for a minute.
func TestReliability_TenTimesTheCapacity(t *testing.T) {
	trial(t)
	h := newTrial(t, "GATEWAY__UPSTREAM__MAX_IN_FLIGHT=6")
	h.fault(`{"kind":"slow","latency":"50ms"}`)
	h.start()
	const capacity = 100 // 6 calls of 50 ms and a little
	before := h.comes("login", capacity).leavesAfter(10 * time.Second)
	rest := h.gateway.weighs(t).now
	h.gateway.lightens(t)
	users := h.comes("login", 10*capacity).leavesAfter(time.Minute)
	w := h.gateway.weighs(t)
	admitted := users.that(verified)
	figure(t, "10 × capacity: at %d/s %.1f %% verified, p99 %v; at %d/s for a minute %d verified a second, p50 %v, p99 %v; all %d answers p99 %v; memory %.1f MB before, %.1f MB at most",
		capacity, before.percent(verified), before.quantile(0.99), 10*capacity, len(admitted)/60, admitted.quantile(0.5), admitted.quantile(0.99), len(users), users.quantile(0.99), rest, w.peak)
	t.Log(users.reasons())
	if users.percent(failed) > 0 || admitted.quantile(0.99) > 100*time.Millisecond || len(h.status().Breaker.Transitions) > 0 {
		t.Errorf("of those admitted p99 is %v, %.2f %% failed, %+v", admitted.quantile(0.99), users.percent(failed), h.status().Breaker.Transitions)
	}
}
