package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
)

// The call path is lean. These tests hold it there, and hold what leanness
// could break.

// serialized lets one call at a time through.
func serialized(mu *sync.Mutex, next http.RoundTripper) wire {
	return func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		return next.RoundTrip(r)
	}
}

// The SDK's client made 153 allocations, this transport's own ones included.
func TestVerify_AllocatesLittle(t *testing.T) {
	c := newClient(t, wire(func(*http.Request) (*http.Response, error) { return response(200, passes), nil }))
	ticket := webTicket()
	n := testing.AllocsPerRun(100, func() {
		if _, err := c.Verify(t.Context(), ticket); err != nil {
			t.Error(err)
		}
	})
	if n > 40 {
		t.Errorf("a call allocates %v times, want at most 40", n)
	}
}

// Answers are read into buffers that the next call uses.
func TestVerify_AnswersOutliveTheirBuffers(t *testing.T) {
	var calls atomic.Int64
	c := newClient(t, wire(func(*http.Request) (*http.Response, error) {
		text := strings.Repeat(fmt.Sprint(calls.Add(1)%10), 36)
		return response(200, fmt.Sprintf(`{"Response":{"CaptchaCode":26,"CaptchaMsg":%q,"RequestId":%[1]q}}`, text)), nil
	}))
	var kept []*captcha.Failure
	for range 10 {
		_, err := c.Verify(t.Context(), webTicket())
		kept = append(kept, failureOf(t, err))
	}
	for i, f := range kept {
		if want := strings.Repeat(fmt.Sprint((i+1)%10), 36); f.Answer.Message != want || f.Answer.RequestID != want {
			t.Errorf("answer %d has become %+v", i, f.Answer)
		}
	}
}

// After a long answer a short one is read alone.
func TestVerify_ForgetsTheLastAnswer(t *testing.T) {
	answer := passes + strings.Repeat(" ", 8<<10)
	c := newClient(t, wire(func(*http.Request) (*http.Response, error) { return response(200, answer), nil }))
	if _, err := c.Verify(t.Context(), webTicket()); err != nil {
		t.Fatal(err)
	}
	answer = passes[:9]
	_, err := c.Verify(t.Context(), webTicket())
	fault.check(t, err)
}

// The names are read as the API writes them, so that nothing else in an
// answer is taken for the code.
func TestVerify_NamesHaveOneSpelling(t *testing.T) {
	for _, body := range []string{`{"response":{"CaptchaCode":1}}`, `{"Response":{"captchacode":1}}`} {
		_, err := newClient(t, answering(200, body)).Verify(t.Context(), webTicket())
		fault.check(t, err)
	}
}

// A countedConn counts the writes to it.
type countedConn struct {
	net.Conn

	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// net/http sends the headers ahead where it does not know the body's type: one
// more system call and one more packet.
func TestNetwork_CallIsOneWrite(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(pass))
	t.Cleanup(s.Close)
	var writes atomic.Int64
	c := newClientAt(t, s.URL, nil, prometheus.NewRegistry())
	plain := newClientAt(t, s.URL, nil, prometheus.NewRegistry())
	c.DialWith(func(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
		conn, err := plain.Dial(ctx, at)
		return countedConn{conn, &writes}, err
	}, nil)
	ticket := webTicket()
	ticket.Value = strings.Repeat("t", captcha.MaxTicket)
	for range 5 {
		if _, err := c.Verify(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
	}
	if n := writes.Load(); n != 5 {
		t.Errorf("5 calls with the longest ticket made %d writes", n)
	}
}

// A caller may give up at any moment of a call. Where the failure then says
// that the ticket was not used, the API has not seen it.
func TestNetwork_FateIsKnownOnlyWhereNothingArrived(t *testing.T) {
	var seen sync.Map
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, rest, _ := strings.Cut(string(body), `"Ticket":"`)
		ticket, _, _ := strings.Cut(rest, `"`)
		seen.Store(ticket, true)
		pass(w, r)
	}))
	c := newClientAt(t, s.URL, nil, prometheus.NewRegistry())
	var unused []string
	for i := range 300 {
		ticket := webTicket()
		ticket.Value = fmt.Sprintf("ticket-%d", i)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*2*time.Microsecond)
		_, err := c.Verify(ctx, ticket)
		cancel()
		if err != nil && !failureOf(t, err).FateUnknown {
			unused = append(unused, ticket.Value)
		}
	}
	s.Close() // waits for the handlers
	if len(unused) == 0 {
		t.Error("no call was given up in time, so nothing is shown")
	}
	for _, ticket := range unused {
		if _, ok := seen.Load(ticket); ok {
			t.Errorf("%s was said not to be used, and was seen", ticket)
		}
	}
}
