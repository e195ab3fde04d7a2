package captcha

import (
	"context"
	"time"
)

// A Call says how one call of a Verifier is to travel, and is told how far it
// came. It goes down the corridor in the call's context.
type Call struct {
	// Fresh asks for a connection that is made for this call alone.
	Fresh bool

	// Sent, if set, is called once, when a connection stands and the request
	// goes on the wire: whatever came before was connecting, and says nothing
	// about how fast the API answers.
	Sent func()

	// Deadline is when the call ends at the latest. Whoever makes the Call sees
	// to that, by ending the context.
	Deadline time.Time
}

type callKey struct{}

// Context returns parent, carrying c.
func (c *Call) Context(parent context.Context) context.Context { return callContext{parent, c} }

type callContext struct {
	context.Context

	call *Call
}

// Value returns the call, or what the parent has.
func (c callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}

// Deadline is the call's.
func (c callContext) Deadline() (time.Time, bool) { return c.call.Deadline, true }

// CallOf returns the call that ctx carries, or else one that wants nothing.
func CallOf(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return new(Call)
}

// OnTheWire tells whoever waits for it that the request goes on the wire.
func (c *Call) OnTheWire() {
	if c.Sent != nil {
		c.Sent()
	}
}
