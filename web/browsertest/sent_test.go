package browsertest_test

import (
	"fmt"
	"strings"
	"testing"
)

// stays is a page that sends its form by itself and stays, whatever comes; read
// says how it takes the ticket.
func stays(read string) string {
	return head + form + `<p id="answer"></p><script>
document.querySelector("form").addEventListener("submit", async (e) => {
  e.preventDefault();
  const form = e.target, body = new URLSearchParams();
  ` + read + `
  if (!body.has("ticket")) return;
  const answer = await fetch("/login", { method: "POST", headers: { Accept: "application/json" }, body });
  document.querySelector("#answer").textContent = (await answer.json()).decision;
});</script>`
}

// A ticket that a page sent by itself is over: the widget begins anew without
// being told, so that the next try has a ticket of its own. Where the page found
// the form wrong and sent nothing, the ticket stays.
func TestSent_TicketIsOver(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	each := `for (const name of ["ticket", "randstr", "captcha-response"]) `
	for i, row := range []struct{ name, read, want string }{
		{"read by FormData", `for (const [k, v] of new FormData(form)) body.append(k, v);`, "ready"},
		{"read later", `await new Promise((done) => setTimeout(done, 1500)); for (const [k, v] of new FormData(form)) body.append(k, v);`, "ready"},
		{"read by value", each + `body.append(name, form.elements[name].value);`, "ready"},
		{"read by getResponse", each + `body.append(name, form.querySelector("[name=" + name + "]").getAttribute("value")); Captchagate.getResponse();`, "ready"},
		{"not sent", `window.looked = true;`, "verified"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			path := fmt.Sprint("/stays/", i)
			s.serves(path, stays(row.read))
			p := b.visits(s, s.shop.URL+path)
			p.clicks(box)
			p.clicks(human)
			p.stands("verified")
			p.clicks(submit)
			if row.want == "verified" {
				p.do(`new Promise((done) => setTimeout(done, 1500))`)
				p.stands("verified")
				return
			}
			p.waits(`document.querySelector("#answer").textContent === "allow"`)
			p.stands("ready")
			if left := eval[string](p, `["ticket", "randstr", "captcha-response"].map((n) => document.querySelector("[name=" + n + "]").getAttribute("value")).join("")`); left != "" {
				t.Errorf("the fields hold %q", left)
			}
			p.do(`document.querySelector("#answer").textContent = ""`)
			p.clicks(box)
			p.clicks(human)
			p.stands("verified")
			p.clicks(submit)
			p.waits(`document.querySelector("#answer").textContent === "allow"`)
			if l := s.received(); len(l) != 2 || l[0].Ticket == l[1].Ticket {
				t.Errorf("the backend received %+v", l)
			}
		})
	}
}

// A library that settles what it put into the page takes attributes off elements
// that it does not know: what the page is styled by comes back.
func TestSent_AttributesComeBack(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "data-theme=dark")
	p.stands("ready")
	p.do(`for (const name of ["data-state", "style"]) document.querySelector("#c").removeAttribute(name)`)
	p.waits(`document.querySelector("#c").dataset.state === "ready" && document.querySelector("#c").style.colorScheme === "dark"`)
	p.isFine()
}

// Elements that come later are rendered, those that went are forgotten.
func TestSent_ElementsComeAndGo(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.serves("/empty", head+`<main></main>`)
	p := b.visits(s, s.shop.URL+"/empty")
	p.do(`document.querySelector("main").innerHTML = ` + "`" + form + "`")
	p.presses(box)
	p.presses(human)
	p.stands("verified")
	p.do(`document.querySelector("main").innerHTML = ` + "`" + strings.Replace(form, `id="c"`, `id="d"`, 1) + "`")
	p.waits(`document.querySelector("#d")?.dataset.state === "ready"`)
	if got := eval[string](p, `Captchagate.getState() + Captchagate.getResponse()`); got != "ready" {
		t.Errorf("the page's first is %s", got)
	}
	p.do(`document.querySelector("main").innerHTML = ""`)
	p.waits(`(() => { try { Captchagate.getState(); } catch (e) { return e.message; } })()`)
	if failures := eval[string](p, `failures.join()`); failures != "" {
		t.Errorf("the page was told %s", failures)
	}
	p.waits(`heldTimers().length === 0`)
}

// The script's second tag calls its own onload, and renders what the first was
// told not to.
func TestSent_SecondTag(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.serves("/second", `<script>window.calls = []; for (const n of ["one", "two", "three"]) window[n] = () => calls.push(n);</script>
<script src="/client/captcha.js?render=explicit&onload=one"></script><script src="/client/captcha.js?onload=two" async></script>`+form+`
<script>onload = () => { const s = document.createElement("script"); s.src = "/client/captcha.js?onload=three"; document.head.append(s); };</script>`)
	p := b.visits(s, s.shop.URL+"/second")
	p.waits(`calls.length === 3`)
	if got := eval[string](p, `calls.sort().join() + document.querySelectorAll("[name=ticket]").length`); got != "one,three,two1" {
		t.Errorf("called %s", got)
	}
	p.presses(box)
	p.presses(human)
	p.stands("verified")
}
