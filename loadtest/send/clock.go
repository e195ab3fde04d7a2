package send

import (
	"context"
	"runtime"
	"time"
)

// maxSleep is how long the clock sleeps at most before it looks at the context.
const maxSleep = 20 * time.Millisecond

// OnTime calls each for the n-th time when times[n] after start has come, in
// order and on a thread of its own, until ctx ends. The runtime's timers are up
// to a millisecond late on an idle machine, the kernel's are not. each must
// return at once.
func OnTime(ctx context.Context, start time.Time, times []time.Duration, each func(n int)) {
	runtime.LockOSThread() // its timers are set to be exact
	defer runtime.UnlockOSThread()
	defer exactTimers()()
	for n, at := range times {
		for wait := time.Until(start.Add(at)); wait > 0; wait = time.Until(start.Add(at)) {
			if ctx.Err() != nil {
				return
			}
			sleep(min(wait, maxSleep))
		}
		if ctx.Err() != nil {
			return
		}
		each(n)
	}
}
