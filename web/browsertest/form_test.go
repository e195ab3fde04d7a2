package browsertest_test

import (
	"testing"
)

// Two clicks on the button send one form: a ticket is good once.
func TestForm_DoubleSubmitSendsOne(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	for name, query := range map[string]string{"sent by the page": "", "sent by the browser": "plain=1"} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			p := b.opens(s, query)
			p.clicks(box)
			p.clicks(human)
			p.stands("verified")
			p.do(`` + submit + `.click(); ` + submit + `.click()`)
			if got := p.answered(); got != "allow verified normal " {
				t.Errorf("answered %q", got)
			}
			if l := s.received(); len(l) != 1 {
				t.Errorf("the backend received %d forms: %+v", len(l), l)
			}
			p.isFine()
		})
	}
}

// Back to the page after the form was sent: its ticket is used, so it begins
// anew, whether the browser kept the page or loads it again.
func TestForm_BackButtonBeginsAnew(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "plain=1")
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
	p.do(`setTimeout(() => history.back())`)
	p.waits(`location.pathname === "/shop"`)
	p.stands("ready")
	if got := eval[string](p, `["captcha-response", "ticket", "randstr"].map((n) => document.querySelector("[name=" + n + "]").value).join("")`); got != "" {
		t.Errorf("the fields hold %q", got)
	}
	p.presses(box)
	p.presses(human)
	p.stands("verified")
	p.presses(submit)
	p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
	l := s.received()
	if len(l) != 2 || l[0].String() != "allow verified normal " || l[1].String() != "allow verified normal " {
		t.Errorf("the backend received %+v", l)
	}
	p.isFine()
}

// What code can do, a page can do without elements of ours in its HTML.
func TestWidget_ByCode(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.stands("ready")
	p.do(`Captchagate.remove("#c")`)
	if left := eval[int](p, `document.querySelectorAll("#c *").length`); left != 0 {
		t.Errorf("%d elements are left", left)
	}
	p.do(`{
		window.got = null;
		window.name1 = Captchagate.render("#c", { appId: 190000001, scene: "login", size: "invisible", options: { bizState: "b1" } });
		Captchagate.show().then((r) => { got = r; });
	}`)
	if eval[bool](p, box+`.checkVisibility()`) {
		t.Error("an invisible widget shows a box")
	}
	p.clicks(human)
	p.waits(`got`)
	if got := eval[string](p, `JSON.stringify([got.ret, got.state, got.bizState, got.response === Captchagate.getResponse(name1), !!got.ticket, got.errorCode])`); got != `[0,"verified","b1",true,true,null]` {
		t.Errorf("the promise gave %s", got)
	}
	p.do(`{ Captchagate.reset(name1); got = null; Captchagate.show(name1).then((r) => { got = r; }); }`)
	p.clicks(closing)
	p.waits(`got`)
	if got := eval[string](p, `JSON.stringify([got.ret, got.ticket, got.state, Captchagate.getState(name1)])`); got != `[2,null,"ready","ready"]` {
		t.Errorf("the promise gave %s", got)
	}
	for _, how := range []string{"reset", "remove"} { // nobody waits for ever
		p.do(`{ got = null; Captchagate.show(name1).then((r) => { got = r; }); Captchagate.` + how + `(name1); }`)
		p.waits(`got?.ret === 2 && !got.ticket`)
	}
	p.isFine()
}

// Both constructors of Tencent's script.
func TestWidget_Embedded(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, `data-options={"type":"embed"}`)
	p.waits(`document.querySelector("#c #simulator-captcha")?.checkVisibility()`)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	if got := p.answered(); got != "allow verified normal " {
		t.Errorf("answered %q", got)
	}
	p.isFine("shift") // by the stand-in's own box
}
