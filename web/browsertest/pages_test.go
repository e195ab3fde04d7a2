package browsertest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"captchagate/config"
	"captchagate/web"
)

// visits opens a page that is not the shop's own.
func (b browser) visits(s *site, address string) *page {
	s.t.Helper()
	p := b.tab(s.t, s)
	p.visit(address)
	return p
}

// serves adds a page to the shop.
func (s *site) serves(path, html string) {
	s.answers("GET "+path, text("text/html", `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"><script>window.failures = []; addEventListener("error", (e) => { failures.push(e.message); e.preventDefault(); });</script>`+html))
}

// answers adds something else to the shop.
func (s *site) answers(pattern string, h http.HandlerFunc) {
	m := http.NewServeMux()
	m.Handle("/", s.shop.Config.Handler)
	m.HandleFunc(pattern, h)
	s.shop.Config.Handler = m
}

func text(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		_, _ = io.WriteString(w, body)
	}
}

const (
	head = `<script src="/client/captcha.js"></script>`
	form = `<form method="post" action="/login"><div id="c" data-captchagate data-app-id="190000001" data-scene="login"></div><button id="go">Log in</button></form>`
	bare = `<form method="post" action="/login"><div id="place"></div><button id="go">Log in</button></form>`
)

// However a page includes the script and makes its element, its form sends a
// ticket that the gateway verifies.
func TestPage_IsWrittenInManyWays(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	make1 := `const c = document.createElement("div"); c.id = "c"; const o = { appId: 190000001, scene: "login" };`
	s := openSite(t, nil)
	p := b.tab(t, s)
	for i, row := range []struct{ name, html, failure string }{
		{name: "script in the head", html: head + form},
		{name: "deferred", html: `<script src="/client/captcha.js" defer></script>` + form},
		{name: "async", html: `<script src="/client/captcha.js" async></script>` + form},
		{name: "after the form", html: form + head},
		{name: "twice", html: head + form + head},
		{name: "added when the page is complete", html: form + `<script>onload = () => setTimeout(() => { const s = document.createElement("script"); s.src = "/client/captcha.js"; document.body.append(s); });</script>`},
		{name: "imported", html: form + `<script type="module">import "/client/captcha.js";</script>`},
		{name: "as of an older version", html: `<script src="/client/captcha.00000000.js"></script>` + form},
		{name: "rendered by code", html: head + bare + `<script>` + make1 + `place.append(c); Captchagate.render("#c", o);</script>`},
		{name: "rendered when ready", html: bare + `<script>function ready() { ` + make1 + `place.append(c); Captchagate.render(c, o); }</script><script src="/client/captcha.js?render=explicit&onload=ready" async defer></script>`},
		{name: "rendered before it is in the page", html: head + bare + `<script>` + make1 + `Captchagate.render(c, o); place.append(c);</script>`},
		{name: "rendered anew, the old one forgotten", html: head + bare + `<script>{ const old = document.createElement("div"); place.append(old); Captchagate.render(old, { appId: 190000001 }); old.remove(); }` + make1 + `place.append(c); Captchagate.render(c, o);</script>`},
		{name: "rendered, removed and rendered", html: head + bare + `<script>` + make1 + `place.append(c); Captchagate.render(c, o); Captchagate.remove(c); Captchagate.render(c, o);</script>`},
		{name: "in a component", html: head + `<div id="root"></div><script>const s = root.attachShadow({ mode: "open" }); s.innerHTML = '` + bare + `'; ` + make1 + `s.querySelector("#place").append(c); Captchagate.render(c, o); const q = document.querySelector.bind(document); document.querySelector = (x) => q(x) || s.querySelector(x);</script>`},
		{name: "beside one without an app id", html: head + `<div data-captchagate></div>` + form, failure: "data-app-id"},
		{name: "beside one with broken options", html: head + `<div data-captchagate data-app-id="1" data-options="{"></div>` + form, failure: "JSON"},
		{name: "with a callback that is missing", html: head + strings.Replace(form, "data-scene", `data-callback="shop.nothing" data-scene`, 1), failure: "no function shop.nothing"},
		{name: "with a callback that throws", html: head + strings.Replace(form, "data-scene", `data-callback="boom" data-scene`, 1) + `<script>function boom() { throw new Error("of the page"); }</script>`, failure: "of the page"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.next(t)
			path := fmt.Sprint("/own/", i)
			s.serves(path, row.html)
			p.visit(s.shop.URL + path)
			p.presses(box)
			p.presses(human)
			p.stands("verified")
			field := eval[string](p, `Captchagate.getResponse()`)
			if failures := eval[string](p, `failures.join("; ")`); (row.failure == "") != (failures == "") || !strings.Contains(failures, row.failure) {
				t.Errorf("the page was told %q, want %q", failures, row.failure)
			}
			p.do(submit + `.click(); ` + submit + `.click()`)
			p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
			l := s.received()
			if len(l) != 1 || l[0].String() != "allow verified normal " || l[0].Field != field || field == "" {
				t.Errorf("the backend received %+v; the page had %q", l, field)
			}
			p.isFine("shift")
		})
	}
}

// Two forms of a page have a ticket each.
func TestPage_HasTwoForms(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.serves("/own", head+form+strings.NewReplacer(`id="c"`, `id="d"`, `id="go"`, `id="send"`).Replace(form))
	p := b.visits(s, s.shop.URL+"/own")
	p.do(`void Captchagate.show("#d")`)
	p.clicks(human)
	p.waits(`Captchagate.getState("#d") === "verified"`)
	if got := eval[string](p, `Captchagate.getResponse("#c") + Captchagate.getState("#c")`); got != "ready" {
		t.Errorf("the first has %s", got)
	}
	p.presses(`document.querySelector("#send")`)
	p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
	if l := s.received(); len(l) != 1 || l[0].String() != "allow verified normal " {
		t.Errorf("the backend received %+v", l)
	}
}

// A page of another origin may use the gateway if client.allowed_origins
// names it; the challenge is solved without workers then.
func TestPage_OfAnotherOrigin(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	var html string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { text("text/html", html)(w, r) }))
	t.Cleanup(other.Close)
	s := openSite(t, func(c *config.Config, _ *web.Config) { c.Client.AllowedOrigins = []string{other.URL} })
	html = fmt.Sprintf(`<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"><script src="%s/client/captcha.js"></script>%s`,
		s.shop.URL, strings.Replace(form, "/login", s.shop.URL+"/login", 1))
	for mode, want := range map[string]string{"normal": "allow verified normal ", "degraded": "allow challenge_solved degraded forced"} {
		t.Run(mode, func(t *testing.T) {
			s.t = t
			s.throws(mode)
			p := b.visits(s, other.URL)
			if mode == "normal" {
				p.clicks(box)
				p.clicks(human)
			} else {
				p.clicks(puzzleBox)
			}
			p.stands("verified")
			p.clicks(submit)
			p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
			if l := s.received(); len(l) != 1 || l[0].String() != want {
				t.Errorf("the backend received %+v", l)
			}
			p.isFine("shift")
		})
	}
}

// A page that was loaded before the gateway was updated asks for the challenge
// of its own version, and gets the one that is served now.
func TestPage_OutlivesAnUpdateOfTheGateway(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	served := s.client
	older, err := web.New(web.Config{Script: s.simulate + "/TJCaptcha.js"})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	older.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/client/captcha.js", nil))
	script := strings.ReplaceAll(rec.Body.String(), strings.TrimPrefix(served.Path("challenge.js"), "/client/"), "challenge.0badcafe.js")
	s.serves("/own", `<script>`+script+`</script>`+form)
	s.throws("degraded")
	p := b.visits(s, s.shop.URL+"/own")
	p.clicks(puzzleBox)
	p.stands("verified")
	p.clicks(submit)
	p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
	if l := s.received(); len(l) != 1 || l[0].String() != "allow challenge_solved degraded forced" {
		t.Errorf("the backend received %+v", l)
	}
	p.isFine("shift")
}
