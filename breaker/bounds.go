package breaker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// bounds is the context of one attempt: it ends at its time, with its caller,
// or when the circuit opens. context.WithDeadline does the same for four
// allocations; here the timer is used again, and the caller is followed from
// when somebody waits.
type bounds struct {
	caller context.Context // whose values are ours too
	until  time.Time
	clocks *clocks
	alarm  *alarmClock

	ended    atomic.Bool // to be asked without the lock
	mu       sync.Mutex
	err      error         // once ended
	done     chan struct{} // made when somebody asks for it
	after    []*func()     // to be called at the end
	unfollow func() bool   // once the caller is followed
}

// start sets b going; close must follow.
func (b *bounds) start(caller context.Context, until time.Time, from *clocks) {
	b.caller, b.until, b.clocks = caller, until, from
	b.alarm = from.get()
	b.alarm.set(b)
	b.look()
}

// close ends b and gives back what it holds.
func (b *bounds) close() {
	b.end(context.Canceled)
	if b.alarm.stop() {
		b.clocks.put(b.alarm)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unfollow != nil {
		b.unfollow()
	}
}

// look ends b where the caller has gone.
func (b *bounds) look() {
	if err := b.caller.Err(); err != nil {
		b.end(err)
	}
}

// follow has b end with its caller from now on. b.mu is held.
func (b *bounds) follow() {
	if b.unfollow == nil && b.err == nil {
		b.unfollow = context.AfterFunc(b.caller, b.look)
	}
}

// end is what all waiting ends with; the first reason counts.
func (b *bounds) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return
	}
	b.err = err
	b.ended.Store(true)
	if b.done != nil {
		close(b.done)
	}
	for _, f := range b.after {
		go (*f)()
	}
	b.after = nil
}

// Deadline is when the attempt ends at the latest.
func (b *bounds) Deadline() (time.Time, bool) { return b.until, true }

// Done is closed when the attempt has ended.
func (b *bounds) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done == nil {
		b.done = make(chan struct{})
		if b.err != nil {
			close(b.done)
		}
		b.follow()
	}
	return b.done
}

// Err says why the attempt ended, nil where it has not.
func (b *bounds) Err() error {
	if !b.ended.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Value is the caller's.
func (b *bounds) Value(key any) any { return b.caller.Value(key) }

// AfterFunc calls f in a goroutine of its own at the end. Package context looks
// for it: without it each context derived from b would cost a goroutine.
func (b *bounds) AfterFunc(f func()) (stop func() bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		go f()
		return func() bool { return false }
	}
	b.follow()
	b.after = append(b.after, &f)
	return func() bool { return b.forget(&f) }
}

// forget takes back what AfterFunc was told; false where it is too late.
func (b *bounds) forget(f *func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, have := range b.after {
		if have == f {
			b.after[i] = b.after[len(b.after)-1]
			b.after = b.after[:len(b.after)-1]
			return true
		}
	}
	return false
}

// An alarmClock ends the bounds that it was set for at their time.
type alarmClock struct {
	timer *time.Timer
	of    atomic.Pointer[bounds]
}

func (a *alarmClock) set(b *bounds) {
	a.of.Store(b)
	if a.timer == nil {
		a.timer = time.AfterFunc(time.Until(b.until), a.ring)
		return
	}
	a.timer.Reset(time.Until(b.until))
}

func (a *alarmClock) ring() {
	if b := a.of.Load(); b != nil {
		b.end(context.DeadlineExceeded)
	}
}

// stop reports whether a may be used again. One that is just ringing might end
// the next one's bounds.
func (a *alarmClock) stop() bool {
	stopped := a.timer.Stop()
	a.of.Store(nil)
	return stopped
}

// clocks are a breaker's alarm clocks that nobody uses.
type clocks struct{ pool sync.Pool }

func (c *clocks) get() *alarmClock {
	if a, ok := c.pool.Get().(*alarmClock); ok {
		return a
	}
	return new(alarmClock)
}

func (c *clocks) put(a *alarmClock) { c.pool.Put(a) }
