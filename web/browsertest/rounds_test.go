package browsertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// acting is a TencentCaptcha that acts as a test tells it; window.back is its way
// to the page.
const acting = `window.TencentCaptcha = class {
  constructor(id, f, options) { window.back = f; window.tells = options; window.made = (window.made || 0) + 1; if (window.early) f(window.early); }
  show() { act(); }
  destroy() { if (window.breaks) throw new Error("of Tencent's"); }
}; const good = { ret: 0, ticket: "tr03good", randstr: "@r" }, bad = (code) => ({ ret: 0, ticket: "trerror_" + code + "_190000001_1700000000", randstr: "@r", errorCode: code });`

// A round ends once: what Tencent's script says twice, late or at odds with
// itself makes one callback, and a real ticket is better than a disaster ticket.
func TestRound_EndsOnce(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	for _, row := range []struct{ name, act, want string }{
		{"a ticket, twice", `back(good); back({ ...good, ticket: "tr03other" });`, "verified tr03good 1 callbacks 0 closed"},
		{"a ticket, later another", `back(good); setTimeout(back, 20, { ...good, ticket: "tr03other" });`, "verified tr03good 1 callbacks 0 closed"},
		{"an error and at once a ticket", `back(bad(1013)); setTimeout(back, 5, good);`, "verified tr03good 1 callbacks 0 closed"},
		{"an error and a ticket", `back(bad(1013)); back(good);`, "verified tr03good 1 callbacks 0 closed"},
		{"a ticket and at once an error", `back(good); setTimeout(back, 5, bad(1013));`, "verified tr03good 1 callbacks 0 closed"},
		{"two errors", `back(bad(1013)); back(bad(1006));`, "degraded trerror_1013_190000001_1700000000 1 callbacks 0 closed"},
		{"a ticket, then closed", `back(good); back({ ret: 2 });`, "verified tr03good 1 callbacks 0 closed"},
		{"closed, then a ticket", `back({ ret: 2 }); setTimeout(back, 20, good);`, "ready  0 callbacks 1 closed"},
		{"closed twice", `back({ ret: 2 }); back({ ret: 2 });`, "ready  0 callbacks 1 closed"},
		{"a ticket, then it throws", `back(good); throw new Error("of Tencent's");`, "verified tr03good 1 callbacks 0 closed"},
		{"it throws, then a ticket", `setTimeout(back, 5, good); throw new Error("of Tencent's");`, "verified tr03good 1 callbacks 0 closed"},
		{"an error, and it cannot be destroyed", `window.breaks = true; back(bad(1012));`, "degraded trerror_1012_190000001_1700000000 1 callbacks 0 closed"},
		{"a ticket from its constructor", ``, "verified tr03good 1 callbacks 0 closed"},
		{"a ticket when the page began anew", `Captchagate.reset("#c"); back(good);`, "ready  0 callbacks 0 closed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			p := b.opens(s, "")
			p.waits(`window.TencentCaptcha`) // so that it does not take the place of this one
			p.do(acting + `window.early = ` + map[bool]string{true: "good", false: "null"}[row.act == ""] + `; window.act = () => { ` + row.act + ` };`)
			// What comes within the next 200 ms is part of it.
			got := eval[string](p, `Captchagate.show().then(() => new Promise((done) => setTimeout(done, 200))).then(() =>
				[Captchagate.getState(), document.querySelector("[name=ticket]").value, told.callbacks.length, "callbacks", told.closed, "closed"].join(" "))`)
			if got != row.want {
				t.Errorf("it came to %q, want %q", got, row.want)
			}
		})
	}
}

// What comes after our own time-out is not heard, and the next try waits twice
// as long, so that a captcha which needs long is shown in the end.
func TestRound_WaitsLongerTheNextTime(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.waits(`window.TencentCaptcha`)
	p.do(acting + `window.act = () => {};`)
	p.clicks(box)
	for i, times := range []time.Duration{1, 2, 4, 8, 8} {
		p.waits(`window.made === ` + string(rune('1'+i)))
		if passed := p.passes(); passed != times*loadTimeout {
			t.Errorf("try %d waits %v, want %v", i+1, passed, times*loadTimeout)
		}
		p.stands("degraded")
		p.do(`back(good)`)
		if got := eval[string](p, `new Promise((done) => setTimeout(done, 50)).then(() => Captchagate.getState() + told.callbacks.length + document.querySelector("[name=ticket]").value)`); !strings.HasPrefix(got, "degraded"+string(rune('1'+i))+"trerror_1002_") {
			t.Errorf("after a ticket that came too late: %s", got)
		}
		p.clicks(again)
	}
	p.waits(`window.made === 6`)
	p.do(`tells.ready(); back(good);`)
	p.stands("verified")
	p.isFine()
}

// A script that hangs: it is said, the tick stands, the form can be sent, and the
// challenge that the backend wants is solved without a second tick. A script that
// comes too late is there for the next try.
func TestRound_ScriptHangs(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	release := make(chan struct{})
	s.answers("GET /late.js", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			text("text/javascript", `window.TencentCaptcha = class { constructor(i, f) { this.f = f; } show() { this.f({ ret: 0, ticket: "tr03late", randstr: "@r" }); } };`)(w, r)
		case <-r.Context().Done():
		}
	})
	s.serves("/late", strings.Replace(head, "<script", `<script data-script="/late.js"`, 1)+form)
	p := b.visits(s, s.shop.URL+"/late")
	p.clicks(box)
	if passed := p.passes(); passed != loadTimeout {
		t.Errorf("it waits %v for the script", passed)
	}
	p.stands("degraded")
	if got := eval[string](p, `document.querySelector("#c").shadowRoot.querySelector("p").textContent + `+box+`.checked`); got != "Out of order. You can go on.true" {
		t.Errorf("it says %q", got)
	}
	p.do(box + `.click()`) // one tick is enough: nothing begins anew
	p.stands("degraded")
	s.throws("degraded")
	if got := eval[string](p, `Captchagate.challenge("#c", `+s.issues()+`).then((r) => r.state)`); got != "verified" {
		t.Errorf("the challenge gave %s", got)
	}
	s.throws("normal")
	close(release)
	p.waits(`window.TencentCaptcha`)
	p.do(`Captchagate.reset("#c")`)
	p.clicks(box)
	p.stands("verified")
	if got := eval[string](p, `document.querySelector("[name=ticket]").value`); got != "tr03late" {
		t.Errorf("the ticket is %q", got)
	}
}

// A captcha that goes with a part of the page that was changed is opened anew by
// the next tick.
func TestRound_CaptchaIsTakenAway(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.clicks(box)
	p.waits(human)
	p.do(`document.querySelector("#simulator-captcha").remove()`)
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	p.isFine()
}

// Broken challenges are mistakes of the page's, which is told; another one is
// fetched.
func TestRound_BrokenChallenge(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	for name, challenge := range map[string]string{"no JSON": `"{"`, "nothing": `undefined`, "another shape": `{}`} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			p := b.opens(s, "data-scene=payment")
			p.stands("ready")
			p.do(`document.querySelector("#c").dataset.scene = "login"; Captchagate.remove("#c"); Captchagate.render("#c");`)
			p.stands("degraded")
			p.do(`{ window.got = ""; Captchagate.challenge("#c", ` + challenge + `).then((r) => { got = r.state; }); }`)
			p.clicks(puzzleBox)
			if name == "another shape" { // what cannot be solved makes room for the captcha
				p.clicks(human)
			}
			p.waits(`got === "verified"`)
		})
	}
}
