package browsertest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"captchagate/simulator"
)

var shots = flag.String("shots", "", "folder for screenshots of every state")

// endless is a challenge that nobody solves.
const endless = `Captchagate.challenge("#c", { signature: "00", parameters: { algorithm: "PBKDF2/SHA-256", cost: 5000, keyLength: 32, keyPrefix: "ffffffff", nonce: "00", salt: "00", expiresAt: 2e9 } })`

// states are all that a user can see, and how to come there.
var states = []struct {
	name, state string
	before      func(s *site)
	there       func(p *page)
}{
	{"ready", "ready", nil, nil},
	{"solving", "solving", nil, func(p *page) { p.clicks(box); p.waits(human) }},
	{"verified", "verified", nil, func(p *page) { p.clicks(box); p.clicks(human) }},
	{"expired", "expired", nil, func(p *page) { p.clicks(box); p.clicks(human); p.stands("verified"); p.passes() }},
	{"degraded-challenge", "degraded", func(s *site) { s.throws("degraded") }, nil},
	{"degraded-solving", "solving", nil, func(p *page) { p.do("void " + endless); p.clicks(puzzleBox) }},
	{"degraded-verified", "verified", func(s *site) { s.throws("degraded") }, func(p *page) { p.clicks(puzzleBox) }},
	{"degraded-ticket", "degraded", func(s *site) { s.breaksScript(simulator.ScriptNotFound, 0) }, func(p *page) { p.clicks(box) }},
	{"unavailable", "unavailable", func(s *site) { s.breaksScript(simulator.ScriptNotFound, 0); s.away.Store(true) }, nil},
}

// Every state is accessible by axe's rules, fits into 320 pixels, and moves
// nothing else on the page.
func TestAccess_EveryState(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join(packages(t), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	s := openSite(t, nil)
	p := b.tab(t, s)
	top := map[string]float64{}
	for _, lang := range []string{"en", "zh-CN"} {
		for _, state := range states {
			t.Run(lang+"/"+state.name, func(t *testing.T) {
				p.next(t)
				p.looks(390, "light")
				s.away.Store(false)
				s.breaksScript(simulator.ScriptOK, 0)
				s.throws("normal")
				if state.before != nil {
					state.before(s)
				}
				p.visit(s.shop.URL + "/shop?lang=" + lang)
				if state.there != nil {
					state.there(p)
				}
				p.stands(state.state)
				for _, width := range []int64{320, 390, 1280} {
					for _, scheme := range []string{"light", "dark"} {
						p.looks(width, scheme)
						p.shoots(fmt.Sprintf("%s-%s-%d-%s", state.name, lang, width, scheme))
						key := fmt.Sprint(lang, width)
						at := eval[float64](p, submit+`.getBoundingClientRect().top`)
						if top[key] == 0 {
							top[key] = at
						}
						if at != top[key] {
							t.Errorf("at %d pixels the button is at %v and was at %v", width, at, top[key])
						}
						if eval[bool](p, `document.documentElement.scrollWidth > innerWidth`) {
							t.Errorf("wider than %d pixels", width)
						}
					}
				}
				p.accessible(string(axe))
				p.isFine("404", "ERR_EMPTY_RESPONSE")
			})
		}
	}
}

// accessible holds the page against axe's rules.
func (p *page) accessible(axe string) {
	p.t.Helper()
	if !eval[bool](p, `"axe" in window`) { // it takes long to read
		p.do(axe)
	}
	found := eval[string](p, `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary).join(" | ")).join("\n"))`)
	// The stand-in's own box is not ours.
	for line := range strings.Lines(found) {
		if !strings.Contains(line, "simulator-captcha") {
			p.t.Errorf("axe: %s", line)
		}
	}
}

func (p *page) shoots(name string) {
	p.t.Helper()
	if *shots == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	p.must(err)
	p.must(os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o600))
}

// Nothing moves by itself, whatever the user prefers; the progress bar only
// grows.
func TestAccess_NothingIsAnimated(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.stands("ready")
	p.do("void " + endless)
	p.clicks(puzzleBox)
	p.stands("solving")
	rules := eval[string](p, `[document.querySelector("#c"), `+challenge+`].flatMap((e) => e.shadowRoot.adoptedStyleSheets).flatMap((s) => [...s.cssRules]).map((r) => r.cssText).join("\n")`)
	if !strings.Contains(rules, ".box") || strings.Contains(rules, "transition") || strings.Contains(rules, "animation") {
		t.Errorf("the rules are %s", rules)
	}
	before := eval[float64](p, challenge+`.shadowRoot.querySelector("progress").value`)
	p.waits(fmt.Sprint(challenge, `.shadowRoot.querySelector("progress").value > `, before))
}

// The keyboard does all that the mouse does.
func TestAccess_ByKeyboard(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.stands("ready")
	keys := func(text string) {
		t.Helper()
		p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(text)))
	}
	p.do(`document.querySelector("#user").focus()`)
	keys("anna\t")
	keys(" ") // the box
	p.waits(human)
	keys("\x1b") // the stand-in closes
	p.stands("ready")
	s.throws("degraded")
	p.do(`Captchagate.reset()`)
	p.waits(challenge)
	p.do(`document.querySelector("#user").focus()`)
	keys("\t")
	p.waits(puzzleBox + `.matches(":focus-visible")`)
	keys(" ")
	p.stands("verified")
	keys("\t")
	keys("\r") // the button
	if got := p.answered(); got != "allow challenge_solved degraded forced" {
		t.Errorf("answered %q", got)
	}
	if l := s.received(); len(l) != 1 || l[0].User != "anna" {
		t.Errorf("the backend received %+v", l)
	}
	p.isFine()
}
