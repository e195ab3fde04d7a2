package breaker_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/breaker"
	"captchagate/captcha"
)

// atOnce is an API that answers without delay, so that what is measured is the
// breaker and nothing below it.
type atOnce struct{ answer atomic.Pointer[answerer] }

func (a *atOnce) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	captcha.CallOf(ctx).OnTheWire()
	return (*a.answer.Load())(ctx, t)
}

func (a *atOnce) becomes(f answerer) { a.answer.Store(&f) }

var passed = captcha.Verdict{Outcome: captcha.Passed, Answer: &captcha.Answer{Code: captcha.CodeOK}}

func passesAtOnce(context.Context, captcha.Ticket) (captcha.Verdict, error) { return passed, nil }

// deaf is told things and does nothing.
type deaf struct{}

func (deaf) Throttling(breaker.Throttling, bool) {}

func (deaf) Transition(breaker.Transition) {}
func (deaf) Account(breaker.Account)       {}
func (deaf) Reset()                        {}

// onBench runs a breaker in real time over an API that passes everybody.
func onBench(b *testing.B) (*breaker.Breaker, *atOnce) {
	b.Helper()
	api := new(atOnce)
	api.becomes(passesAtOnce)
	cfg, limits := defaults()
	br, err := breaker.New(api, breaker.Ports{Fates: &fates{}, Abandoned: &fates{}, Journal: deaf{}, Connections: deaf{}}, 190000001, []byte("the order of users"), cfg, limits, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { br.Run(ctx) })
	b.Cleanup(func() { cancel(); running.Wait() })
	return br, api
}

// crowd is as many users, made beforehand: making them costs more than a call.
func crowd() []captcha.Ticket {
	users := make([]captcha.Ticket, 4096)
	for i := range users {
		users[i] = user(i)
	}
	return users
}

// BenchmarkVerify is what the breaker costs a call that the API answers: the
// limiters, gobreaker, the evidence and the metrics.
func BenchmarkVerify(b *testing.B) {
	br, _ := onBench(b)
	users := crowd()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := br.Verify(b.Context(), users[n%len(users)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// BenchmarkVerify_Parallel is the same from all cores at once.
func BenchmarkVerify_Parallel(b *testing.B) {
	br, _ := onBench(b)
	users := crowd()
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		n := int(next.Add(1000))
		for pb.Next() {
			if _, err := br.Verify(b.Context(), users[n%len(users)]); err != nil {
				b.Error(err)
				return
			}
			n++
		}
	})
}

// BenchmarkVerify_InFlight is a call while 200 others wait for the API.
func BenchmarkVerify_InFlight(b *testing.B) {
	br, api := onBench(b)
	users := crowd()
	let := make(chan struct{})
	var waiting sync.WaitGroup
	var arrived atomic.Int32
	api.becomes(func(context.Context, captcha.Ticket) (captcha.Verdict, error) {
		arrived.Add(1)
		<-let
		return passed, nil
	})
	for i := range 200 {
		waiting.Go(func() { _, _ = br.Verify(b.Context(), users[i]) })
	}
	for arrived.Load() < 200 { // until all of them wait
	}
	api.becomes(passesAtOnce)
	b.ReportAllocs()
	n := 200
	for b.Loop() {
		if _, err := br.Verify(b.Context(), users[n%len(users)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	close(let)
	waiting.Wait()
}

// BenchmarkVerify_Open is what a call costs that is not sent: all of them,
// during an outage.
func BenchmarkVerify_Open(b *testing.B) {
	br, api := onBench(b)
	users := crowd()
	fault := &captcha.Failure{Kind: captcha.Fault, Err: errors.New("says the benchmark")}
	api.becomes(func(context.Context, captcha.Ticket) (captcha.Verdict, error) { return captcha.Verdict{}, fault })
	for n := 0; br.State() != breaker.Open; n++ {
		_, _ = br.Verify(b.Context(), users[n%len(users)])
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := br.Verify(b.Context(), users[n%len(users)]); err == nil {
			b.Fatal("a call was sent")
		}
		n++
	}
}
