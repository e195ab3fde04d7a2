package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/simulator"
)

// isTimeout, isReset and so on say how a fault must look to a caller, over a
// socket and in process alike.
func isTimeout(r result) bool { return errors.Is(r.err, context.DeadlineExceeded) }
func isReset(r result) bool   { return errors.Is(r.err, syscall.ECONNRESET) }
func isCut(r result) bool {
	return r.status == 200 && errors.Is(r.err, io.ErrUnexpectedEOF) && len(r.body) > 10 && !json.Valid(r.body)
}

func isRefused(r result) bool {
	op, ok := errors.AsType[*net.OpError](r.err)
	return ok && op.Op == "dial" && errors.Is(op, syscall.ECONNREFUSED)
}

func says(status int, what string) func(result) bool {
	return func(r result) bool { return r.err == nil && r.status == status && r.what() == what }
}

func isBadGateway(r result) bool {
	return says(502, "nothing")(r) && r.header.Get("Content-Type") == "text/html" && strings.Contains(string(r.body), "<html>")
}

func isGarbage(r result) bool {
	return says(200, "nothing")(r) && len(r.body) >= 64 && !json.Valid(r.body)
}

func isEmpty(r result) bool { return says(200, "nothing")(r) && string(r.body) == "{}" }

func isThrottled(r result) bool {
	return r.status == 200 && strings.HasPrefix(r.what(), "RequestLimitExceeded")
}

func isSlow(r result) bool { return says(200, "1")(r) && r.took >= 200*time.Millisecond }

// isBusy holds the body against the sample of the disaster recovery scheme.
func isBusy(r result) bool {
	head := `{"Response":{"CaptchaCode":26,"CaptchaMsg":"System busy. For more information, please see the Captcha documentation. ` +
		`Search for the keyword \"DescribeCaptchaResult\", and check the description of the CaptchaCode field in the output parameters",` +
		`"EvilLevel":0,"GetCaptchaTime":0,"RequestId":"`
	return says(200, "26")(r) && strings.HasPrefix(string(r.body), head) && strings.HasSuffix(string(r.body), `"},"retcode":0,"retmsg":"ok"}`)
}

func isInternalError(r result) bool {
	return says(200, "InternalError")(r) && r.response.Error.Message ==
		"An internal error has occurred. Retry your request. If the problem persists, contact us."
}

var faultRows = []struct {
	kind     simulator.Kind
	looks    func(result) bool
	consumes bool
}{
	{simulator.None, says(200, "1"), true},
	{simulator.Hang, isTimeout, true},
	{simulator.Slow, isSlow, true},
	{simulator.InternalError, isInternalError, false},
	{simulator.CaptchaCode26, isBusy, false},
	{simulator.HTTP502, isBadGateway, false},
	{simulator.Reset, isReset, true},
	{simulator.Refuse, isRefused, false},
	{simulator.Garbage, isGarbage, false},
	{simulator.Empty, isEmpty, false},
	{simulator.HalfBody, isCut, true},
	{simulator.Throttle, isThrottled, false},
	{simulator.AuthFailure, says(200, "AuthFailure.UnauthorizedOperation"), false},
	{simulator.Arrears, says(200, "UnauthorizedOperation.Arrears"), false},
	{simulator.HTTP429, says(429, "nothing"), false},
}

func faultOf(kind simulator.Kind) simulator.Fault {
	f := simulator.Fault{Kind: kind}
	if kind == simulator.Slow {
		f.Latency = 200 * time.Millisecond
	}
	return f
}

func TestFault_EveryKindHasARow(t *testing.T) {
	for i, kind := range simulator.Kinds() {
		if i >= len(faultRows) || faultRows[i].kind != kind {
			t.Errorf("kind %s has no row in faultRows", kind)
		}
	}
}

func codeAfter(consumed bool) string {
	if consumed {
		return "9"
	}
	return "1"
}

func TestFault_LooksRightInProcess(t *testing.T) {
	for _, row := range faultRows {
		t.Run(string(row.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{})
				ticket := issue(t, s, "valid")
				set(t, s, faultOf(row.kind))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if got := send(s, request(ctx, "http://captcha.test", web, callFor(ticket))); !row.looks(got) {
					t.Errorf("status %d, error %v, body %q", got.status, got.err, got.body)
				}
				s.ClearFault()
				if got := ask(t, s, ticket).what(); got != codeAfter(row.consumes) {
					t.Errorf("afterwards the ticket gives %s, want %s", got, codeAfter(row.consumes))
				}
			})
		})
	}
}

func TestFault_LooksRightOverASocket(t *testing.T) {
	for _, row := range faultRows {
		t.Run(string(row.kind), func(t *testing.T) {
			s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
			base, client := listen(t, s), keepAlive(t)
			ticket := issue(t, s, "valid")
			set(t, s, faultOf(row.kind))
			ctx, cancel := context.WithTimeout(t.Context(), patience(row.kind))
			defer cancel()
			if got := send(client, request(ctx, base, web, callFor(ticket))); !row.looks(got) {
				t.Errorf("status %d, error %v, body %q", got.status, got.err, got.body)
			}
			s.ClearFault()
			if got := send(client, request(t.Context(), base, web, callFor(ticket))).what(); got != codeAfter(row.consumes) {
				t.Errorf("afterwards the ticket gives %s, want %s", got, codeAfter(row.consumes))
			}
		})
	}
}

// patience is short if nothing can come back.
func patience(kind simulator.Kind) time.Duration {
	if kind == simulator.Hang {
		return 100 * time.Millisecond
	}
	return 10 * time.Second
}

func TestFault_ConsumesAsTold(t *testing.T) {
	for _, row := range faultRows[1:] {
		if row.kind == simulator.Refuse {
			continue // no call, no ticket
		}
		t.Run(string(row.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{})
				ticket := issue(t, s, "valid")
				f := faultOf(row.kind)
				f.Consume = new(!row.consumes)
				set(t, s, f)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if got := send(s, request(ctx, "http://captcha.test", web, callFor(ticket))); !row.looks(got) {
					t.Errorf("status %d, error %v, body %q", got.status, got.err, got.body)
				}
				s.ClearFault()
				if got := ask(t, s, ticket).what(); got != codeAfter(!row.consumes) {
					t.Errorf("afterwards the ticket gives %s, want %s", got, codeAfter(!row.consumes))
				}
			})
		})
	}
}

func TestFault_SparesDisasterTickets(t *testing.T) {
	for _, row := range faultRows[1:] {
		if row.kind == simulator.Refuse {
			continue
		}
		t.Run(string(row.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{})
				f := faultOf(row.kind)
				f.SpareDisaster = true
				set(t, s, f)
				if got := ask(t, s, simulator.Ticket{Ticket: disa, Randstr: "@r"}); got.what() != "21" || got.took > 100*time.Millisecond {
					t.Errorf("a disaster ticket gives %s after %v, want 21 at once", got.what(), got.took)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if got := send(s, request(ctx, "http://captcha.test", web, callFor(issue(t, s, "valid")))); !row.looks(got) {
					t.Errorf("a real ticket does not meet the fault: status %d, error %v, body %q", got.status, got.err, got.body)
				}
			})
		})
	}
}
