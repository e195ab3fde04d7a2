package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	first  = "192.0.2.1"
	second = "192.0.2.2"
	third  = "2001:db8::3"
)

// A user is one who was asked about.
type user struct {
	at    time.Duration
	took  time.Duration
	tries int
	err   error
}

// users has so many a second asked about, evenly, for so long.
func users(t *testing.T, c *upstream.Client, perSecond int, during time.Duration) []user {
	var mu sync.Mutex
	var all []user
	var calls sync.WaitGroup
	began := time.Now()
	for range int(during.Seconds() * float64(perSecond)) {
		calls.Go(func() {
			at := time.Now()
			tries, err := verify(t.Context(), c)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, user{at.Sub(began), time.Since(at), tries, err})
		})
		time.Sleep(time.Second / time.Duration(perSecond))
	}
	calls.Wait()
	return all
}

// warm has so many connections kept, each of which brought an answer.
func (w *world) warm(t *testing.T, c *upstream.Client, connections int) {
	var gate sync.WaitGroup
	gate.Add(connections)
	handlers := map[*host]http.HandlerFunc{}
	w.set(func() {
		for _, h := range w.hosts {
			handlers[h] = h.handler
			h.handler = func(rw http.ResponseWriter, r *http.Request) {
				gate.Done()
				gate.Wait()
				pass(rw, r)
			}
		}
	})
	var calls sync.WaitGroup
	for range connections {
		calls.Go(func() {
			if err := attempt(t.Context(), c, false); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	w.set(func() {
		for h, handler := range handlers {
			h.handler = handler
		}
	})
}

// What a fresh client would get, users get within three seconds, at every rate
// (C17): the row's change comes over a client with kept connections, and later
// than three seconds nobody needs a second try.
func TestPool_Heals(t *testing.T) {
	rows := []struct {
		name   string
		names  []string
		change func(w *world)
	}{
		{"all flows forgotten", []string{first}, func(w *world) { w.forget() }},
		{"the name moved", []string{first}, func(w *world) {
			w.set(func() { w.names, w.hosts[first].connect, w.hosts[first].handler = []string{second}, lost, hang })
			w.forget()
		}},
		{"the first of two refuses", []string{first, second}, func(w *world) {
			w.set(func() { w.hosts[first].connect = refuse })
			w.forget()
		}},
		{"the first of two is a black hole", []string{first, second}, func(w *world) {
			w.set(func() { w.hosts[first].connect = lost })
			w.forget()
		}},
		{"the first of two answers 502", []string{first, second}, func(w *world) {
			w.set(func() { w.hosts[first].handler = unwell })
		}},
		{"the first of two hangs", []string{first, second}, func(w *world) {
			w.set(func() { w.hosts[first].handler = hang })
		}},
		{"IPv6 leads nowhere", []string{third, first}, func(w *world) {
			w.set(func() { w.hosts[third].connect = lost })
			w.forget()
		}},
	}
	for _, row := range rows {
		for _, rate := range []int{2, 20, 200} {
			t.Run(fmt.Sprintf("%s, %d a second", row.name, rate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, row.names...)
					w.add(t, second)
					c := w.client(t, prometheus.NewRegistry())
					w.warm(t, c, 8)
					row.change(w)
					slow := 0
					for _, u := range users(t, c, rate, 6*time.Second) {
						if u.err != nil {
							t.Errorf("a user after %v: %v", u.at, u.err)
						}
						if u.tries > 1 || u.took > attemptTimeout {
							slow++
							if u.at > 3*time.Second && u.tries > 1 {
								t.Errorf("a user after %v needed %d tries", u.at, u.tries)
							}
						}
					}
					t.Logf("%d users of %d noticed", slow, 6*rate)
				})
			})
		}
	}
}

// C17: all addresses were ill for so long that none is believed: one led nowhere, one
// refused, and one answers with faults. Whenever the first is well again, it verifies
// the next user: their tries go to different addresses.
func TestPool_TriesAllAddressesForAUserWhileNoneIsBelieved(t *testing.T) {
	for day := range uint64(60) {
		r := rand.New(rand.NewPCG(day, 0))
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, first, second, third)
			c := w.client(t, prometheus.NewRegistry())
			w.set(func() {
				w.hosts[first].connect, w.hosts[second].connect = lost, refuse
				w.hosts[third].handler = unwell
			})
			for range 30 {
				_, _ = verify(t.Context(), c)
				time.Sleep(time.Duration(r.IntN(20_000)) * time.Millisecond)
			}
			w.set(func() { w.hosts[first].connect = nil })
			if tries, err := verify(t.Context(), c); err != nil {
				t.Errorf("day %d: after %d tries: %v", day, tries, err)
			}
		})
	}
}

// Behind one address are three instances, and one is ill. What leads to it is
// not kept, and what leads to the others is.
func TestPool_KeepsNoConnectionToAnIllInstance(t *testing.T) {
	for name, ill := range map[string]http.HandlerFunc{"502": unwell, "hangs": hang} {
		for _, rate := range []int{2, 20, 200} {
			t.Run(fmt.Sprintf("%s, %d a second", name, rate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, first)
					c := w.client(t, prometheus.NewRegistry())
					w.set(func() { w.hosts[first].instances = []http.HandlerFunc{pass, pass, pass} })
					w.warm(t, c, 6)
					w.set(func() { w.hosts[first].instances = []http.HandlerFunc{pass, ill, pass} })
					w.forget()
					again, without := 0, 0
					for _, u := range users(t, c, rate, 6*time.Second) {
						if u.err != nil {
							without++
						}
						if u.err != nil && (u.at > 3*time.Second || without > 1) { // a forgotten flow, and then the ill one
							t.Errorf("a user after %v: %v", u.at, u.err)
						}
						again += u.tries - 1
					}
					t.Logf("%d calls again for %d users", again, 6*rate)
				})
			})
		}
	}
}

// A fault closes its connection and those that were silent for a second, but
// for none that just brought an answer.
func TestPool_FaultClosesSilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		w.warm(t, c, 6)
		time.Sleep(time.Second)
		w.warm(t, c, 2) // these brought an answer since
		w.set(func() { w.hosts[first].handler = unwell })
		if err := attempt(t.Context(), c, false); err == nil {
			t.Fatal("no fault")
		}
		if got := c.Addresses(); len(got) != 1 || got[0].Connections != 1 || got[0].FailedAt == nil || !got[0].FailedAt.Equal(time.Now()) {
			t.Errorf("addresses are %+v, want one connection that stands and the fault noted", got)
		}
	})
}

// Operators are told of an address that failed for a minute after it answers
// again, and as long as it does not.
func TestPool_ForgetsAFailureOfLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		told := func(after time.Duration, handler http.HandlerFunc, want bool) {
			t.Helper()
			time.Sleep(after)
			w.set(func() { w.hosts[first].handler = handler })
			_ = attempt(t.Context(), c, false)
			if got := c.Addresses(); len(got) != 1 || got[0].FailedAt != nil != want {
				t.Errorf("addresses are %+v, want a failure told: %t", got, want)
			}
		}
		told(0, unwell, true)
		told(2*time.Minute, unwell, true)
		told(30*time.Second, pass, true)
		told(30*time.Second, pass, false)
	})
}

// An answer, whatever it says of the ticket, keeps its connection; so does being
// throttled.
func TestPool_KeepsConnectionsThatAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		for _, says := range []http.HandlerFunc{
			pass,
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
			func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound"}}}`))
			},
			func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"Response":{"CaptchaCode":8}}`))
			},
		} {
			w.set(func() { w.hosts[first].handler = says })
			_ = attempt(t.Context(), c, false)
		}
		if n := w.dialed[first]; n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

// The pool that net/http has by default keeps two connections a host.
func TestPool_KeepsOneConnectionForEachCallInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		for range 10 {
			w.warm(t, c, 8)
		}
		if n := w.dialed[first]; n != 8 {
			t.Errorf("10 rounds of 8 calls used %d connections", n)
		}
	})
}

// A certificate that nobody vouches for: nothing is sent.
func TestPool_UntrustedCertificateNeverArrives(t *testing.T) {
	s := httptest.NewTLSServer(nil) // for its certificate
	s.Close()
	synctest.Test(t, func(t *testing.T) {
		c := newClientAt(t, "https://192.0.2.1", nil, prometheus.NewRegistry())
		c.DialWith(func(context.Context, netip.AddrPort) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { _ = tls.Server(server, s.TLS).HandshakeContext(t.Context()) }()
			return client, nil
		}, nil)
		if f := neverArrived.check(t, attempt(t.Context(), c, false)); !strings.Contains(f.Error(), "TLS") {
			t.Errorf("error is %q", f)
		}
	})
}

// The API closes a connection just as a request is sent. The user does not
// notice, and it is counted apart (C19).
func TestPool_SendsAgainWhatMetADeadConnection(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			w := newWorld(t, first)
			c := w.client(t, reg)
			w.hosts[first].handler = closesSecond()
			for range 100 {
				if err := attempt(t.Context(), c, false); err != nil {
					t.Error(err)
				}
				time.Sleep(every)
			}
			if got := counted(t, reg, "captchagate_upstream_resent_total"); got != 99 {
				t.Errorf("%v calls were sent again, want 99", got)
			}
		})
	}
}

// A call that waits gets the connection of one that ends, and that may be dead
// as well as one that was idle (C19).
func TestPool_SendsAgainWhatWasHandedADeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		w := newWorld(t, first)
		c := w.client(t, reg)
		then := closesSecond()
		w.hosts[first].handler = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(100 * time.Millisecond)
			then(w, r)
		}
		var calls sync.WaitGroup
		call := func() {
			if err := attempt(t.Context(), c, false); err != nil {
				t.Error(err)
			}
		}
		calls.Go(call)
		synctest.Wait()
		w.set(func() { w.trip = 300 * time.Millisecond })
		calls.Go(call)
		calls.Wait()
		if got := counted(t, reg, "captchagate_upstream_resent_total"); got != 1 {
			t.Errorf("%v calls were sent again, want 1", got)
		}
	})
}

// closesSecond answers the first request of a connection and closes it at the
// second, unanswered.
func closesSecond() http.HandlerFunc {
	seen := map[any]bool{}
	return func(w http.ResponseWriter, r *http.Request) {
		n := r.Context().Value(connKey{})
		if seen[n] {
			panic(http.ErrAbortHandler)
		}
		seen[n] = true
		pass(w, r)
	}
}

// A fresh connection that dies is the API's fault, and is not tried again.
func TestPool_FreshConnectionThatDiesIsAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		calls := 0
		w.hosts[first].handler = func(http.ResponseWriter, *http.Request) { calls++; panic(http.ErrAbortHandler) }
		fault.check(t, attempt(t.Context(), w.client(t, prometheus.NewRegistry()), false))
		if calls != 1 {
			t.Errorf("asked %d times", calls)
		}
	})
}

// The first of two identical requests may have used the ticket up.
func TestPool_ReusedTicketAfterADeadConnectionIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		used := false
		w.hosts[first].handler = func(w http.ResponseWriter, r *http.Request) {
			switch n := r.Context().Value(connKey{}); {
			case !used:
				used = true
				pass(w, r)
			case n == 1:
				panic(http.ErrAbortHandler)
			default:
				_, _ = w.Write([]byte(`{"Response":{"CaptchaCode":9}}`))
			}
		}
		if err := attempt(t.Context(), c, false); err != nil {
			t.Fatal(err)
		}
		f := failureOf(t, attempt(t.Context(), c, false))
		if f.Kind != captcha.OutcomeUnknown || !f.FateUnknown || f.Answer == nil || f.Answer.Code != 9 {
			t.Errorf("failure is %+v", f)
		}
	})
}

// A probe's connection is made for it, to the addresses by turns, and its time
// begins only then.
func TestPool_ProbesTravelOnFreshConnectionsByTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first, second)
		c := w.client(t, prometheus.NewRegistry())
		w.warm(t, c, 4)
		clear(w.dialed)
		w.trip = 700 * time.Millisecond
		for range 10 {
			began := time.Now()
			if err := attempt(t.Context(), c, true); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took < w.trip {
				t.Errorf("a probe took %v: it had a kept connection", took)
			}
		}
		if w.dialed[first] < 5 || w.dialed[second] < 5 {
			t.Errorf("connected to %v", w.dialed)
		}
	})
}

// Once the pool is reset, nothing travels on what stood before.
func TestPool_ResetForgetsEveryConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		w.warm(t, c, 8)
		w.hosts[first].handler = func(rw http.ResponseWriter, r *http.Request) {
			time.Sleep(100 * time.Millisecond)
			pass(rw, r)
		}
		var call sync.WaitGroup
		call.Go(func() { _ = attempt(t.Context(), c, false) })
		synctest.Wait()
		c.Reset()
		call.Wait() // its connection was in use, and is not kept
		synctest.Wait()
		if got := c.Addresses(); got[0].Connections != 0 {
			t.Errorf("addresses are %+v", got)
		}
	})
}

// A cold start is no outage: a far API with TLS, nobody for a while, then forty
// at once (C18).
func TestPool_ConnectingTakesNoTimeOfTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, third, first)
		w.hosts[third].connect = lost
		w.trip = 280 * time.Millisecond
		w.hosts[first].handler = func(rw http.ResponseWriter, r *http.Request) {
			time.Sleep(280 * time.Millisecond)
			pass(rw, r)
		}
		c := w.client(t, prometheus.NewRegistry())
		for range 3 {
			time.Sleep(33 * time.Second)
			for _, u := range burst(t, c, 40) {
				if u.err != nil || u.tries > 1 || u.took > deadline {
					t.Errorf("took %v with %d tries: %v", u.took, u.tries, u.err)
				}
			}
		}
	})
}

func burst(t *testing.T, c *upstream.Client, n int) []user {
	all := make([]user, n)
	var calls sync.WaitGroup
	for i := range all {
		calls.Go(func() {
			began := time.Now()
			tries, err := verify(t.Context(), c)
			all[i] = user{took: time.Since(began), tries: tries, err: err}
		})
	}
	calls.Wait()
	return all
}

// Connecting that leads nowhere for a second is as good as refused; connecting
// that only this call did not get through in time says nothing.
func TestPool_ConnectingEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		w.hosts[first].connect = lost
		began := time.Now()
		f := neverArrived.check(t, attempt(t.Context(), c, false))
		if took := time.Since(began); f.Connecting || took != time.Second {
			t.Errorf("a black hole: %+v after %v, want a fault that counts after 1 s", f, took)
		}

		w.set(func() { w.hosts[first].connect = nil; w.trip = 900 * time.Millisecond })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := c.Verify(ctx, webTicket())
		if f := neverArrived.check(t, err); !f.Connecting || !errors.Is(f, context.DeadlineExceeded) {
			t.Errorf("time ran out while connecting: %+v", f)
		}
	})
}

// The resolver fails, hangs, or has no answer for a moment: who has a connection
// does not notice, and who needs one takes the last good answer.
func TestPool_ResolverTroubleIsNobodysTrouble(t *testing.T) {
	rows := map[string]func(context.Context) ([]netip.Addr, error){
		"fails":         func(context.Context) ([]netip.Addr, error) { return nil, errors.New("SERVFAIL") },
		"knows nothing": func(context.Context) ([]netip.Addr, error) { return nil, nil },
		"hangs":         func(ctx context.Context) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() },
	}
	for name, lookup := range rows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, first)
				c := w.client(t, prometheus.NewRegistry())
				w.warm(t, c, 1)
				w.set(func() { w.lookup = lookup })
				for _, bound := range []time.Duration{0, 200 * time.Millisecond} { // kept, fresh
					began := time.Now()
					if err := attempt(t.Context(), c, bound > 0); err != nil || time.Since(began) > bound {
						t.Errorf("took %v: %v", time.Since(began), err)
					}
				}
				time.Sleep(10 * time.Second)
				w.set(func() { w.lookup, w.names = nil, []string{second} })
				w.set(func() { w.hosts[first].connect = refuse })
				w.add(t, second)
				if err := attempt(t.Context(), c, true); err != nil {
					t.Errorf("once it answers again: %v", err)
				}
			})
		})
	}
}

// A name that never resolved is a fault that never arrived.
func TestPool_UnknownNameNeverArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		neverArrived.check(t, attempt(t.Context(), w.client(t, prometheus.NewRegistry()), false))
	})
}

// Trouble of our own says nothing about the API (C16).
func TestPool_TroubleOfOurOwnIsNoFault(t *testing.T) {
	rows := map[error]string{
		syscall.EMFILE: "descriptors", syscall.ENFILE: "descriptors", syscall.EADDRNOTAVAIL: "ports",
		syscall.ENOBUFS: "memory", syscall.ENOMEM: "memory",
	}
	for errno, kind := range rows {
		synctest.Test(t, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			w := newWorld(t, first)
			w.hosts[first].connect = func(context.Context) error { return os.NewSyscallError("socket", errno) }
			f := failureOf(t, attempt(t.Context(), w.client(t, reg), false))
			if f.Kind != captcha.Overloaded || f.FateUnknown {
				t.Errorf("%v: failure is %+v", errno, f)
			}
			if got := counted(t, reg, "captchagate_local_trouble_total", kind); got != 1 {
				t.Errorf("%v: counted %v times as %s", errno, got, kind)
			}
		})
	}
}

// A few connections stand before anybody calls, are renewed before the API
// closes them, and grow with what is needed.
func TestPool_ConnectsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, first)
		c := w.client(t, prometheus.NewRegistry())
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		for range 100 {
			synctest.Wait()
			if got := c.Addresses(); len(got) != 1 || got[0].Connections != 2 {
				t.Fatalf("addresses are %+v, want two connections", got)
			}
			time.Sleep(2 * time.Second)
		}
		w.warm(t, c, 12)
		c.Reset()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := c.Addresses(); got[0].Connections < 10 {
			t.Errorf("after a reset in the middle of load: %+v", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := c.Addresses(); got[0].Connections != 2 {
			t.Errorf("two minutes later: %+v, want two connections", got)
		}
		stop()
		running.Wait()
	})
}

// counted reads a counter, or the one with the label.
func counted(t *testing.T, reg *prometheus.Registry, name string, label ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (len(label) == 0 || slices.ContainsFunc(label, func(l string) bool { return m.GetLabel()[0].GetValue() == l })) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("%s%v is not there", name, label)
	return 0
}
