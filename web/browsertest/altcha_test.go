package browsertest_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A shop may use ALTCHA's own widget instead of ours, against the same
// endpoint.
func TestAltcha_ItsOwnWidgetSolvesOurChallenge(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(packages(t), "altcha", "dist")
	b, s := openBrowser(t), openSite(t, nil)
	s.throws("degraded")
	routes := s.shop.Config.Handler
	m := http.NewServeMux()
	m.Handle("/", routes)
	m.Handle("/altcha/", http.StripPrefix("/altcha/", http.FileServer(http.Dir(folder))))
	m.HandleFunc("GET /with-altcha", text("text/html", `<!doctype html><html lang="en"><title>A shop</title>
<script src="/altcha/main/altcha.js" type="module"></script>
<form method="post" action="/login"><altcha-widget name="captcha-response" challenge="/v1/challenge?scene=login"></altcha-widget><button id="go">Log in</button></form>`))
	s.shop.Config.Handler = m
	p := b.tab(t, s)
	p.visit(s.shop.URL + "/with-altcha")
	p.clicks(`document.querySelector("altcha-widget input[type=checkbox]")`)
	p.waits(`document.querySelector("input[name=captcha-response]")?.value`)
	p.clicks(submit)
	p.waits(`document.querySelector("#answer")?.textContent`)
	l := s.received()
	if len(l) != 1 || l[0].String() != "allow challenge_solved degraded forced" {
		t.Errorf("the backend received %+v", l)
	}
	if v := s.violated(); len(v) > 0 {
		t.Errorf("violations: %v", strings.Join(v, "\n"))
	}
}
