package connlimit_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/connlimit"
)

// Whoever makes room is of an address that holds most, strangers first, and nobody
// of that address waits for longer; whoever came and left before.
func TestLimiter_CutsTheLongestIdleOfWhoHoldsMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const full = 40
		limiter, l, server := connlimit.New(full, nil), newMemory(1), &http.Server{ReadTimeout: 24 * time.Hour}
		ended := make(chan error, 1)
		go func() {
			ended <- limiter.Serve(server, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { connlimit.Vouch(r.Context()) }))
		}()
		defer func() {
			_ = server.Close()
			<-ended
		}()
		random := rand.New(rand.NewPCG(1, 2))
		var here []*visit // in the order of their coming
		for step := range 2000 {
			c := visitOf(random.IntN(1+random.IntN(12)), random.IntN(3) == 0)
			l.queue <- c
			time.Sleep(time.Second)
			stay, cut := parted(here)
			if len(cut) != max(0, len(here)-full+1) {
				t.Fatalf("step %d: of %d %d were cut", step, len(here), len(cut))
			}
			for _, gone := range cut {
				if why := gone.before(here); why != "" {
					t.Fatalf("step %d: one was cut although %s", step, why)
				}
			}
			if here = append(stay, c); random.IntN(10) == 0 { // somebody leaves
				_ = here[random.IntN(len(here))].caller.Close()
				time.Sleep(time.Second)
				here, _ = parted(here)
			}
		}
	})
}

// A visit is the server's end of a connection. Its caller asks once, with a key, or
// never, and stays.
type visit struct {
	net.Conn
	caller net.Conn
	from   int
	keyed  bool
	closed atomic.Bool
}

func visitOf(from int, keyed bool) *visit {
	v := &visit{from: from, keyed: keyed}
	v.Conn, v.caller = net.Pipe()
	go func() {
		if keyed {
			_, _ = io.WriteString(v.caller, get)
		}
		_, _ = io.Copy(io.Discard, v.caller)
	}()
	return v
}

func (v *visit) RemoteAddr() net.Addr { return memAddr(v.from) }

func (v *visit) Close() error {
	v.closed.Store(true)
	return v.Conn.Close()
}

// parted are those that are still open, and those that are not.
func parted(all []*visit) (stay, gone []*visit) {
	for _, c := range all {
		if c.closed.Load() {
			gone = append(gone, c)
		} else {
			stay = append(stay, c)
		}
	}
	return stay, gone
}

// before says why another of all should have made room before v.
func (v *visit) before(all []*visit) (why string) {
	type peer struct {
		from  int
		keyed bool
	}
	holds, older := map[peer]int{}, true
	for _, other := range all {
		holds[peer{other.from, other.keyed}]++
	}
	for _, other := range all {
		one, mine := peer{other.from, other.keyed}, peer{v.from, v.keyed}
		switch older = older && other != v; {
		case v.keyed && !other.keyed:
			return "it had shown a key and another had not"
		case one.keyed == mine.keyed && holds[one] > holds[mine]:
			return fmt.Sprintf("its address holds %d and another %d", holds[mine], holds[one])
		case one == mine && older:
			return "another of its address had come before"
		}
	}
	return ""
}
