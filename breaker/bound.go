package breaker

import (
	"context"
	"time"

	"captchagate/captcha"
)

// bound returns the context of one call of next: it ends with parent, at the
// deadline, or the timeout after the call went on the wire, of which wired is
// told. stop ends it at once. A fresh call travels on a connection of its own.
func bound(parent context.Context, fresh bool, deadline time.Time, timeout time.Duration, wired func(now time.Time)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	timer := time.AfterFunc(time.Until(deadline), func() { cancel(context.DeadlineExceeded) })
	call := &captcha.Call{Fresh: fresh, Deadline: deadline, Sent: func() {
		now := time.Now()
		wired(now)
		timer.Reset(min(timeout, deadline.Sub(now)))
	}}
	return call.Context(ctx), func() {
		timer.Stop()
		cancel(nil)
	}
}
