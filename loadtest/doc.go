// Package loadtest plays an outage of the Captcha API against a gateway and
// tells what its users got:
//
//	scenario → pace → users → target → run → objectives → report
package loadtest
