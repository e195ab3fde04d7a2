package browsertest_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"captchagate/config"
	"captchagate/simulator"
	"captchagate/web"
)

// Closing the captcha is no failure: no ticket, no report, and it opens again.
func TestCaptcha_ClosedByTheUserIsNoFailure(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.clicks(box)
	p.clicks(closing)
	p.stands("ready")
	if got := eval[string](p, `JSON.stringify([told.closed, told.callbacks.length, told.errors, document.querySelector("[name=ticket]").value])`); got != `[1,0,[],""]` {
		t.Errorf("the page was told %s", got)
	}
	p.clicks(submit)
	if got := p.answered(); got != "deny rejected normal " {
		t.Errorf("sent without a ticket: %q", got)
	}
	if l := s.received(); len(l) != 1 || l[0].Ticket != "" || l[0].Field != "" {
		t.Errorf("the backend received %+v", l)
	}
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	if r := s.reported(); r != "" {
		t.Errorf("reported: %s", r)
	}
	p.isFine()
}

// Whatever goes wrong with Tencent's script, the backend gets a disaster ticket
// of the standard form, and its challenge lets the user in.
func TestCaptcha_FailuresGiveADisasterTicket(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	type row struct {
		name  string
		kind  simulator.ScriptKind
		code  int // of the script
		want  int // in the ticket
		query string
		noise []string // what the browser may complain about
	}
	rows := []row{
		{name: "script 404", kind: simulator.ScriptNotFound, want: 1001, noise: []string{"404"}},
		{name: "script hangs", kind: simulator.ScriptHang, want: 1001},
		{name: "constructor throws", kind: simulator.ScriptThrow, want: 1001},
		{name: "never shows", kind: simulator.ScriptNeverShows, want: 1002},
		{name: "blocked by the page's policy", kind: simulator.ScriptOK, want: 1001, query: "block=1", noise: []string{"Content Security Policy"}},
		{name: "embedded, constructor throws", kind: simulator.ScriptThrow, want: 1001, query: "data-embed=1"},
	}
	for _, code := range []int{1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1085} {
		rows = append(rows, row{name: fmt.Sprint("error code ", code), kind: simulator.ScriptErrorCode, code: code, want: code})
	}
	p := b.tab(t, s)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p.next(t)
			s.breaksScript(row.kind, row.code)
			p.visit(s.shop.URL + "/shop?" + row.query)
			p.do(`document.querySelector("#user").value = "anna"`)
			if !strings.HasPrefix(row.name, "embedded") { // which shows itself
				p.clicks(box)
			}
			switch row.kind {
			case simulator.ScriptNeverShows:
				p.waits(`window.TencentCaptcha`)
				fallthrough
			case simulator.ScriptHang:
				if passed := p.passes(); passed != loadTimeout {
					t.Errorf("it waits %v for the captcha, want %v", passed, loadTimeout)
				}
			}
			p.stands("degraded")
			if got := eval[string](p, `JSON.stringify([told.errors, told.callbacks.length, told.callbacks[0].ret, told.callbacks[0].errorCode])`); got != fmt.Sprintf("[[%d],1,0,%d]", row.want, row.want) {
				t.Errorf("the page was told %s", got)
			}
			p.clicks(submit)
			p.waits(challenge)
			l := s.received()
			form := regexp.MustCompile(fmt.Sprintf(`^trerror_%d_190000001_\d{10}$`, row.want))
			if len(l) != 1 || !form.MatchString(l[0].Ticket) || l[0].Field != l[0].Ticket || !strings.HasPrefix(l[0].Randstr, "@") {
				t.Fatalf("the backend received %+v", l)
			}
			if got := l[0].String(); got != "challenge challenge_required degraded disaster_ticket" || l[0].Attempts != 0 {
				t.Errorf("the backend decided %s", got)
			}
			if r, want := s.reported(), fmt.Sprintf(`{"events":[{"code":%d,"scene":"login","app_id":190000001}]}`, row.want); r != want {
				t.Errorf("reported %s, want %s", r, want)
			}
			p.clicks(puzzleBox)
			p.stands("verified")
			p.clicks(submit)
			p.waits(`document.querySelector("#answer").textContent.startsWith("allow")`)
			l = s.received()
			if len(l) != 1 || l[0].String() != "allow challenge_solved degraded disaster_ticket" || l[0].Assurance != "reduced" || l[0].User != "anna" || l[0].Ticket != "" {
				t.Errorf("the backend received %+v", l)
			}
			p.isFine(row.noise...)
		})
	}
}

// Of a share of the failures only, as configured.
func TestCaptcha_ReportsAreSampled(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, func(_ *config.Config, w *web.Config) { w.Reports = 0.25 })
	s.breaksScript(simulator.ScriptErrorCode, 1013)
	p := b.opens(s, "")
	for _, row := range []struct {
		dice string
		want bool
	}{{"0.26", false}, {"0.24", true}, {"0.24", false}} { // the last is known already
		p.do(`Math.random = () => ` + row.dice + `; Captchagate.reset("#c")`)
		p.stands("ready")
		p.clicks(box)
		p.stands("degraded")
		p.waits(`told.events.at(-1) === "degraded"`)
		if got := s.awaitReport(row.want); (got != "") != row.want {
			t.Errorf("at %s: reported %q", row.dice, got)
		}
	}
}

// A script that fails once is loaded anew if the user asks for it.
func TestCaptcha_TriesAgain(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.breaksScript(simulator.ScriptNotFound, 0)
	p := b.opens(s, "")
	p.clicks(box)
	p.stands("degraded")
	s.breaksScript(simulator.ScriptOK, 0)
	p.clicks(again)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	if got := p.answered(); got != "allow verified normal " {
		t.Errorf("answered %q", got)
	}
	p.isFine("404")
}

// With script and gateway away the element says so, the form can be sent, and
// trying again works once they are back.
func TestCaptcha_SaysWhenBothAreAway(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.breaksScript(simulator.ScriptNotFound, 0)
	s.away.Store(true)
	p := b.opens(s, "")
	p.stands("unavailable") // before anybody clicks
	if n := eval[int](p, `told.callbacks.length`); n != 0 {
		t.Errorf("%d callbacks before the user asked", n)
	}
	p.clicks(submit)
	p.waits(`document.querySelector("#answer").textContent`)
	l := s.received()
	if len(l) != 1 || !strings.HasPrefix(l[0].Ticket, "trerror_1001_190000001_") || l[0].String() != "challenge challenge_required degraded disaster_ticket" {
		t.Fatalf("the backend received %+v", l)
	}
	p.stands("unavailable") // the challenge's script cannot be had either
	p.clicks(again)
	p.waits(`told.callbacks.length === 2`) // the challenge that was refused, and this
	p.stands("unavailable")

	s.away.Store(false)
	s.breaksScript(simulator.ScriptOK, 0)
	p.clicks(again)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	p.waits(`document.querySelector("#answer").textContent.startsWith("allow")`)
	if l := s.received(); len(l) != 1 || l[0].String() != "allow verified normal " {
		t.Errorf("the backend received %+v", l)
	}
	p.isFine("404", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION")
}

// With only the gateway away, users still get their ticket.
func TestCaptcha_WorksWhileTheGatewayIsOutOfReach(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.away.Store(true)
	p := b.opens(s, "")
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	if got := p.answered(); got != "allow verified normal " {
		t.Errorf("answered %q", got)
	}
	p.isFine("ERR_EMPTY_RESPONSE", "ERR_CONNECTION")
}
