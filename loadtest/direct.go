package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"captchagate/loadtest/send"
	"captchagate/simulator"
	"captchagate/tc3"
)

// A direct is the API as callers reach it who have no gateway.
type direct struct {
	address string
	sim     *control
}

func newDirect(address string) *direct { return &direct{address, newSimControl(address)} }

// got is what a caller got, after which time.
type got struct {
	status int // 0 = no answer
	body   []byte
	took   time.Duration
}

// sendBoth sends a call of an SDK through the gateway, and at the same time one that
// differs in its ticket only to the API itself, and compares what comes of them.
func (t *subject) sendBoth(ctx context.Context, s *request) {
	deadline := t.begin.Add(s.due + t.callers.GiveUp)
	var direct got
	var both sync.WaitGroup
	both.Go(func() {
		// On a connection of its own: of one that was kept it would find out only now that
		// the API has closed it.
		pool := send.Pool{Address: t.direct.address}
		defer pool.Forget()
		began := time.Now()
		status, body, err := pool.Do(ctx, signedCall(s, s.twin, deadline))
		direct = gotten(status, body, err, time.Since(began))
	})
	began := time.Now()
	s.tries = 1
	at, status, body, err := t.balancer.Do(ctx, signedCall(s, s.ticket, deadline))
	through := gotten(status, body, err, time.Since(began))
	s.ended = t.since()
	both.Wait()
	s.instance, s.status, s.answer = at, through.status, readCall(through)
	s.outcome = judge(s.user, false, s.answer)
	s.took, s.directly = max(s.ended-s.due, 0), s.ended-s.due+direct.took-through.took
	s.same = through.status == direct.status && bytes.Equal(withoutOwn(through.body), withoutOwn(direct.body))
	if ctx.Err() != nil {
		s.tries = 0
	}
	t.record(s)
}

// gotten is no answer where it broke off, whatever came of it.
func gotten(status int, body []byte, err error, took time.Duration) got {
	if err != nil {
		return got{took: took}
	}
	return got{status, body, took}
}

// own is what is another in each answer: its id, and when the ticket was submitted.
var own = regexp.MustCompile(`"RequestId":"[0-9a-f-]{36}"|"SubmitCaptchaTime":[0-9]{10}`)

func withoutOwn(body []byte) []byte { return own.ReplaceAll(body, nil) }

// signer signs for the simulator's account, and the host that send names.
var signer = tc3.NewSigner(simulator.DefaultSecretID, simulator.DefaultSecretKey, "captcha",
	"content-type;host", "content-type:application/json\nhost:127.0.0.1\n")

// signedCall is what an SDK sends.
func signedCall(s *request, of ticket, deadline time.Time) send.Request {
	body := fmt.Appendf(nil, `{"CaptchaType":9,"Ticket":%q,"Randstr":%q,"UserIp":%q,"CaptchaAppId":%d,"AppSecretKey":%q}`,
		of.Ticket, of.Randstr, s.address, simulator.DefaultAppID, simulator.DefaultAppSecretKey)
	now := time.Now().Unix()
	return send.Request{
		Path: "/", Body: body, Deadline: deadline,
		Header: "X-TC-Action: DescribeCaptchaResult\r\nX-TC-Version: 2019-07-22\r\nX-TC-Timestamp: " + strconv.FormatInt(now, 10) +
			"\r\nAuthorization: " + signer.Authorization(body, now) + "\r\n",
	}
}

// readCall is the answer of the API as one of the gateway's; nil if it decided nothing.
func readCall(g got) *answer {
	var told struct {
		Response struct {
			CaptchaCode int
			EvilLevel   int
			Error       json.RawMessage
		}
	}
	full := "full"
	switch err := json.Unmarshal(g.body, &told); {
	case g.status != http.StatusOK || err != nil || told.Response.Error != nil || told.Response.CaptchaCode == 26:
		return nil
	case told.Response.CaptchaCode == 1 && told.Response.EvilLevel < 100:
		return &answer{Decision: "allow", Reason: "verified", Assurance: &full, Mode: "normal", Attempts: 1}
	default:
		return &answer{Decision: "deny", Reason: "rejected", Mode: "normal", Attempts: 1}
	}
}

// everyAPI does the same to the API that is asked directly, at the same time.
func (t *subject) everyAPI(do func(sim *control) error) error {
	if t.direct == nil {
		return do(t.sim)
	}
	done := make(chan error, 1)
	go func() { done <- do(t.direct.sim) }()
	return errors.Join(do(t.sim), <-done)
}
