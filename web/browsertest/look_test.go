package browsertest_test

import (
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Where the elements of the widget are: it has a shadow root, and the
// challenge in it another.
const (
	box       = `document.querySelector("#c").shadowRoot.querySelector("input")`
	again     = `document.querySelector("#c").shadowRoot.querySelector("button")`
	challenge = `document.querySelector("#c").shadowRoot.querySelector("captchagate-challenge")`
	puzzleBox = challenge + `.shadowRoot.querySelector("input")`
	human     = `document.querySelector("#simulator-captcha button")`
	closing   = `document.querySelector("#simulator-captcha button:nth-of-type(2)")`
	submit    = `document.querySelector("#go")`
)

// looks sets the viewport and the scheme.
func (p *page) looks(width int64, scheme string) {
	p.t.Helper()
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 800)))
	p.prefers("prefers-color-scheme", scheme)
}

// prefers sets what the user told the browser.
func (p *page) prefers(name, value string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: name, Value: value}}})
	p.must(err)
}
