package browsertest_test

import (
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/simulator"
	"captchagate/web"
)

// Degraded before the page loads: the challenge stands in the captcha's place,
// in the page's language, is solved in the browser and verified end to end.
func TestDegraded_TheChallengeTakesTheCaptchasPlace(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	for lang, word := range map[string]string{"en": "I am human", "zh-CN": "我是真人", "zh": "我是真人", "fr": "I am human"} {
		t.Run(lang, func(t *testing.T) {
			s.t = t
			p := b.opens(s, "lang="+lang)
			p.stands("degraded")
			p.waits(challenge)
			if got := eval[string](p, challenge+`.shadowRoot.querySelector("label").textContent`); got != word {
				t.Errorf("the label is %q", got)
			}
			p.clicks(puzzleBox)
			p.stands("verified")
			p.clicks(submit)
			if got := p.answered(); got != "allow challenge_solved degraded forced" {
				t.Errorf("answered %q", got)
			}
			l := s.received()
			if len(l) != 1 || l[0].Assurance != "reduced" || l[0].Ticket != "" || l[0].Randstr != "" || l[0].Attempts != 0 {
				t.Errorf("the backend received %+v", l)
			}
			if states := eval[string](p, `told.states.join(" ")`); !strings.Contains(states, "degraded solving verified") {
				t.Errorf("states: %s", states)
			}
			p.isFine()
		})
	}
}

// Workers solve it; if the page's origin or policy has none, the page does.
func TestDegraded_SolvesWithAndWithoutWorkers(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	for name, before := range map[string]string{
		"workers": `0`,
		"none":    `Object.defineProperty(window, "Worker", { value: class { constructor() { throw new Error("no workers"); } } })`,
		"broken":  `Object.defineProperty(window, "Worker", { value: class extends Worker { constructor() { super("/nowhere.js"); } } })`,
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			p := b.opens(s, "")
			p.waits(challenge)
			p.do(before)
			p.do(`{ window.made = 0; const W = Worker; window.Worker = class extends W { constructor(u) { super(u); made++; } }; }`)
			p.clicks(puzzleBox)
			p.stands("verified")
			if made := eval[int](p, `made`); (made > 0) != (name != "none") {
				t.Errorf("%d workers", made)
			}
			p.clicks(submit)
			if got := p.answered(); got != "allow challenge_solved degraded forced" {
				t.Errorf("answered %q", got)
			}
			p.isFine("404")
		})
	}
}

// The gateway turns degraded after the ticket was fetched: the backend answers
// with a challenge, the page solves it without a second tick, what the user typed
// stays.
func TestDegraded_BetweenLoadAndSubmit(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.do(`document.querySelector("#user").value = "anna"`)
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	s.throws("degraded")
	p.clicks(submit)
	p.waits(`told.states.join(" ").endsWith("verified solving degraded solving verified")`) // ticked once
	p.clicks(submit)
	p.waits(`document.querySelector("#answer").textContent.startsWith("allow")`)
	l := s.received()
	if len(l) != 2 || l[0].String() != "challenge challenge_required degraded forced" || l[1].String() != "allow challenge_solved degraded forced" || l[1].User != "anna" {
		t.Errorf("the backend received %+v", l)
	}
	p.isFine()
}

// The same for a form without any script of the page's own: the backend renders
// the page anew with the challenge in it.
func TestDegraded_BetweenLoadAndSubmitOfAPlainForm(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "plain=1")
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	s.throws("degraded")
	p.clicks(submit)
	p.waits(challenge)
	s.throws("normal")
	s.throws("auto") // the challenge is this user's own: it counts all the same
	p.clicks(puzzleBox)
	p.stands("verified")
	p.clicks(submit)
	p.waits(`document.querySelector("#answer")?.textContent.startsWith("allow")`)
	l := s.received()
	if len(l) != 2 || l[0].String() != "challenge challenge_required degraded forced" || l[1].String() != "allow challenge_solved degraded forced" {
		t.Errorf("the backend received %+v", l)
	}
	p.isFine()
}

// Degraded between load and click: the click already leads to the challenge;
// over before the click: the captcha is back.
func TestDegraded_IsAskedAnewOnTheClick(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	p := b.opens(s, "")
	p.waits(challenge)
	s.throws("normal")
	p.clicks(puzzleBox)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	if got := p.answered(); got != "allow verified normal " {
		t.Errorf("answered %q", got)
	}
	p.isFine("409")

	q := b.opens(s, "")
	q.waits(`window.TencentCaptcha`)
	s.breaksScript(simulator.ScriptErrorCode, 1013)
	q.do(`delete window.TencentCaptcha`)
	s.throws("degraded")
	q.clicks(box) // the script fails, and the gateway now has a challenge
	q.stands("verified")
	q.clicks(submit)
	if got := q.answered(); got != "allow challenge_solved degraded forced" {
		t.Errorf("answered %q", got)
	}
	q.isFine()
}

// Without HTTPS a browser has no WebCrypto: the solver does it by hand.
func TestDegraded_SolvesWithoutHTTPS(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	s := openSite(t, func(c *config.Config, _ *web.Config) { c.Challenge.Cost = 100 })
	s.throws("degraded")
	p := b.visits(s, strings.Replace(s.shop.URL, "127.0.0.1", elsewhere, 1)+"/shop")
	p.stands("degraded")
	if eval[bool](p, `isSecureContext || !!crypto.subtle`) {
		t.Fatal("the page has WebCrypto")
	}
	p.clicks(puzzleBox)
	p.stands("verified")
	p.clicks(submit)
	if got := p.answered(); got != "allow challenge_solved degraded forced" {
		t.Errorf("answered %q", got)
	}
	p.isFine()
}

// A scene that denies while degraded has no challenge to show: the captcha is
// shown, and the backend decides.
func TestDegraded_ASceneWithoutAChallengeKeepsTheCaptcha(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	p := b.opens(s, "data-scene=payment")
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit) // the backend knows its own scene, login
	p.waits(challenge)
	if l := s.received(); len(l) != 1 || l[0].String() != "challenge challenge_required degraded forced" || l[0].Ticket == "" {
		t.Errorf("the backend received %+v", l)
	}
	p.isFine()
}

// Tickets and solutions grow old, and the element says so.
func TestWidget_Expires(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	const ticketLife, expires = 4 * time.Minute, 10 * time.Minute
	s := openSite(t, func(c *config.Config, w *web.Config) {
		c.Challenge.Expires = expires
		w.TicketLife = ticketLife
	})
	p := b.opens(s, "")
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	if passed := p.passes(); passed != ticketLife {
		t.Errorf("a ticket that lives %v expires after %v", ticketLife, passed)
	}
	p.stands("expired")
	if got := eval[string](p, `JSON.stringify([told.expired, Captchagate.getResponse(), document.querySelector("[name=ticket]").value])`); got != `[1,"",""]` {
		t.Errorf("told %s", got)
	}
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")

	s.throws("degraded")
	q := b.opens(s, "")
	q.waits(challenge)
	q.clicks(puzzleBox)
	q.stands("verified")
	// Five seconds early, so that it is still good when it arrives; whole seconds
	// are told.
	if passed := q.passes(); passed > expires-4*time.Second || passed < expires-5*time.Second-patience {
		t.Errorf("a challenge that expires after %v does so after %v", expires, passed)
	}
	q.stands("expired")
	q.clicks(puzzleBox)
	q.stands("verified")
	p.isFine()
	q.isFine()
}
