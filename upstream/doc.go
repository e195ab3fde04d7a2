// Package upstream asks the Captcha API whether a ticket is good and says
// which kind of failure an answer is.
//
// One call of [Client.Verify] is one attempt: no retry, no other host, no
// redirect. Only where a kept connection turns out to have been dead is the same
// request sent once more, on a fresh one. What came back becomes a Verdict where
// the API decided about the ticket, and a *captcha.Failure where nobody could
// tell:
//
//	CaptchaCode 1                       Passed; Malicious at EvilLevel 100
//	CaptchaCode 26                      Fault, fate unknown
//	CaptchaCode 31 of a mini program    Misconfigured (no package, or arrears)
//	CaptchaCode 9 of a request that     OutcomeUnknown, fate unknown
//	  was sent once more
//	any other CaptchaCode               Rejected
//	InvalidParameter*, Missing-, …      Rejected without an Answer
//	RequestLimitExceeded*               Throttled
//	AuthFailure.*, Unauthorized-, …     Misconfigured
//	InternalError, unknown error codes  Fault, fate unknown
//	not 200, unreadable, cut, too late  Fault, fate unknown
//	no connection (DNS, dial, TLS)      Fault, not processed
//	its time ended while it waited for  Fault, not processed, Connecting
//	  a connection that others got
//	no descriptor, port or memory, or   Overloaded
//	  the pool is full
//	the caller went away                Cancelled
//
// The whole table of error codes is in codes.go.
//
// The way of a call: send → write (messages.go) → exchange (send.go) → take a
// connection (pool.go, connect.go) → carry: the request and its signature
// (action.go, outgoing.go, room tc3), over the connection (conn.go), read
// (answer.go) → classify. It is written for few allocations; the SDK's own client
// is the oracle of its tests (oracle_test.go), and its types name the action.
package upstream
