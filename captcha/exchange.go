package captcha

import (
	"context"
	"net/http"
	"sync/atomic"
)

// An Exchange is what goes to the Captcha API and comes back beside what the corridor
// knows of it, for callers who speak the API's own language. Like a Call it goes down
// the corridor in the context. It belongs to one request.
type Exchange struct {
	// Extra are members that the call has beside those of its ticket, as JSON with
	// commas between and no braces around: `"NeedGetCaptchaTime":1`.
	Extra []byte

	// Before and After are the body of the answer that the verdict was read from, up to
	// the value of its RequestId and from there on. Both are nil if there was no
	// verdict.
	Before, After []byte

	// Shadow, if set, is the call that this request looks at instead of making its own.
	Shadow *Shadow
}

type exchangeKey struct{}

// Context returns parent, carrying x.
func (x *Exchange) Context(parent context.Context) context.Context {
	return context.WithValue(parent, exchangeKey{}, x)
}

// ExchangeOf returns the exchange that ctx carries, nil if it carries none.
func ExchangeOf(ctx context.Context) *Exchange {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	return x
}

// A Forwarded call is a caller's, to be made as it is.
type Forwarded struct {
	Action, Version  string
	Language, Region string // of X-TC-Language and X-TC-Region; empty for none
	Body             []byte
	SecretID         string // who signs it; empty for the account that the gateway asks with
	SecretKey        string
}

// A Shadow is a call to the Captcha API that goes out whatever is decided meanwhile. A
// decision that looks at it makes no call of its own.
type Shadow struct {
	Wired chan struct{} // closed once the call is on the wire
	Done  chan struct{} // closed at its end; what follows is set then

	Sent   atomic.Bool // its head was written to the wire
	Looked atomic.Bool // a decision counted it

	Status int
	Header http.Header
	Body   []byte // as much of it as came
	Err    error  // why there is no answer, or only a part of one
}

// NewShadow returns a call that is to be made.
func NewShadow() *Shadow {
	return &Shadow{Wired: make(chan struct{}), Done: make(chan struct{})}
}
