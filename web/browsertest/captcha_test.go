package browsertest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// ret is 0 for disaster tickets too, so it decides nothing.
func TestCaptcha_DecidesOnTicketAndErrorCode(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.tab(t, s)
	for _, row := range []struct{ name, answer, want string }{
		{"a ticket", `{ ret: 0, ticket: "tr03x", randstr: "@r", errorCode: undefined }`, `verified,tr03x,packed,null,[]`},
		{"a ticket whatever ret", `{ ret: 7, ticket: "tr03x", randstr: "@r" }`, `verified,tr03x,packed,null,[]`},
		{"closed", `{ ret: 2, ticket: null }`, `ready,,,null,[]`},
		{"closed, and nothing more", `{ ret: 2 }`, `ready,,,null,[]`},
		{"nothing at all", `undefined`, `degraded,trerror_1001_190000001_N,the ticket,1001,[1001]`},
		{"null", `null`, `degraded,trerror_1001_190000001_N,the ticket,1001,[1001]`},
		{"no object", `"busy"`, `degraded,trerror_1001_190000001_N,the ticket,1001,[1001]`},
		{"an error code that is no number", `{ errorCode: "busy" }`, `degraded,trerror_1001_190000001_N,the ticket,1001,[1001]`},
		{"a ticket beyond Latin-1", `{ ret: 0, ticket: "tr03票", randstr: "@é" }`, `verified,tr03票,packed,null,[]`},
		{"a ticket that is no text, without a randstr", `{ ret: 0, ticket: 77, randstr: null }`, `verified,77,packed,null,[]`},
		{"an error code with its ticket", `{ ret: 0, ticket: "trerror_1006_190000001_1700000000_x", randstr: "@r", errorCode: 1006 }`, `degraded,trerror_1006_190000001_1700000000_x,the ticket,1006,[1006]`},
		{"a disaster ticket that says no code", `{ ret: 0, ticket: "terror_1001_190000001_1700000000", randstr: "@r" }`, `degraded,terror_1001_190000001_1700000000,the ticket,1001,[1001]`},
		{"an error code without a ticket", `{ ret: 0, ticket: null, errorCode: 1013 }`, `degraded,trerror_1013_190000001_N,the ticket,1013,[1013]`},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.next(t)
			p.visit(s.shop.URL + "/shop")
			p.waits(`window.TencentCaptcha`) // so that it does not take the place of this one
			p.do(`window.TencentCaptcha = class { constructor(a, f) { this.f = f; } show() { setTimeout(() => this.f(` + row.answer + `)); } }`)
			got := eval[string](p, `Captchagate.show().then((r) => {
				const of = (name) => document.querySelector("[name=" + name + "]").value;
				const field = of("captcha-response");
				return [Captchagate.getState(), of("ticket"), field && field === of("ticket") ? "the ticket" : field && "packed", r.errorCode || null, JSON.stringify(told.errors)].map(String).join();
			})`)
			if got = regexp.MustCompile(`_\d{10}$|_\d{10},`).ReplaceAllStringFunc(got, func(at string) string {
				if strings.HasPrefix(at, "_1700000000") {
					return at
				}
				return "_N" + at[11:]
			}); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

// The way of most users: the captcha is solved and the API verifies it.
func TestCaptcha_IsVerified(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.stands("ready")
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	if got := p.answered(); got != "allow verified normal " {
		t.Errorf("the page was answered %q", got)
	}
	logins := s.received()
	if len(logins) != 1 || logins[0].Assurance != "full" || logins[0].Attempts != 1 {
		t.Fatalf("the backend received %+v", logins)
	}
	l := logins[0]
	raw, err := base64.RawURLEncoding.DecodeString(l.Field)
	var packed struct {
		V               int
		Ticket, Randstr string
		AppID           int `json:"captcha_app_id"`
	}
	if err != nil || json.Unmarshal(raw, &packed) != nil || packed.V != 1 || packed.Ticket != l.Ticket || packed.Randstr != l.Randstr || packed.AppID != 190000001 {
		t.Errorf("captcha-response is %s, beside ticket %s", raw, l.Ticket)
	}
	if want := fmt.Sprintf(`{"v":1,"ticket":"%s","randstr":"%s","captcha_app_id":190000001}`, l.Ticket, l.Randstr); string(raw) != want {
		t.Errorf("captcha-response is %s, want exactly %s", raw, want)
	}
	if states := eval[string](p, `told.states.join(" ")`); !strings.HasPrefix(states, "solving verified") && !strings.HasPrefix(states, "ready solving verified") {
		t.Errorf("states: %s", states)
	}
	if n := eval[int](p, `told.callbacks.length`); n != 1 {
		t.Errorf("%d callbacks", n)
	}
	p.isFine()
}
