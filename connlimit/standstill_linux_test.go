package connlimit_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/connlimit"
)

// Requests that came while the process stood still are dropped if their callers have
// left by then; who still waits is answered. If it did not stand still nobody is looked
// at: a caller may close its side and read the answer.
func TestLimiter_DropsWhoLeftWhileTheProcessStood(t *testing.T) {
	for name, row := range map[string]struct {
		stood  time.Duration
		beats  int // after it, one a second
		served int64
	}{
		"for 25 seconds":          {25 * time.Second, 1, 5},
		"and has no beat yet":     {25 * time.Second, 0, 5},
		"a while ago":             {25 * time.Second, 12, 25},
		"no longer than a moment": {2 * time.Second, 1, 25},
	} {
		t.Run(name, func(t *testing.T) {
			for began := time.Now(); time.Since(began) < patience; {
				tried := time.Now()
				served, dropped := stands(t, row.stood, row.beats)
				if time.Since(tried) > time.Second {
					continue // it stood still itself, on a busy machine
				}
				if served != row.served || served+dropped != 25 {
					t.Errorf("%d served, %d dropped, want %d and the others", served, dropped, row.served)
				}
				return
			}
			if os.Getenv("CI") == "true" {
				t.Fatalf("this machine has stood still itself at every try of %v", patience)
			}
			t.Skip("this machine has stood still itself at every try")
		})
	}
}

// stands has 25 ask, and every fifth of them wait, before the process stands for so long;
// beats follow, one a second. It returns what became of them.
func stands(t *testing.T, stood time.Duration, beats int) (served, dropped int64) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limiter := connlimit.New(100, nil)
	_, _ = limiter.Beat()
	var stay []net.Conn
	for i := range 25 {
		c := asks(t, l.Addr().String())
		if i%5 == 0 {
			stay = append(stay, c)
		} else {
			_ = c.Close()
		}
	}
	limiter.StandStill(stood)
	for range beats {
		_, _ = limiter.Beat()
		limiter.StandStill(time.Second)
	}
	return serves(t, limiter, l, stay)
}

// asks sends a request that nobody has accepted yet.
func asks(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
		t.Fatal(err)
	}
	return c
}

// serves serves what waits at l, until all of it was; who stays must get an answer.
func serves(t *testing.T, limiter *connlimit.Limiter, l net.Listener, stay []net.Conn) (served, dropped int64) {
	t.Helper()
	var count atomic.Int64
	server := &http.Server{ReadTimeout: patience}
	ended := make(chan error, 1)
	go func() {
		ended <- limiter.Serve(server, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			count.Add(1)
		}))
	}()
	for _, c := range stay {
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("who stayed got %v (%v)", r, err)
			continue
		}
		_ = r.Body.Close()
	}
	late, ticks := time.After(patience), time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for all := int64(0); all < 25; all = count.Load() + dropped {
		select {
		case <-ticks.C:
		case <-late:
			t.Fatal("not all requests came to an end")
		}
		_, left := limiter.Beat()
		dropped += left
	}
	_ = server.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	return count.Load(), dropped
}
