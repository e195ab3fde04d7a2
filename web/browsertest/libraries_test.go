package browsertest_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Libraries that change pages by themselves, as their makers publish them.
const (
	turbo = `<script src="/npm/@hotwired/turbo/dist/turbo.es2017-umd.js"></script>`
	htmx2 = `<script src="/npm/htmx.org/dist/htmx.js"></script>`
	htmx4 = `<script src="/npm/htmx4/dist/htmx.js"></script><script src="/npm/htmx4/dist/ext/hx-history-cache.js"></script>`

	explicit = `<script src="/client/captcha.js?render=explicit"></script>`
	link     = `<a id="away" href="/another">Away</a>` // the path of the page goes before
)

// servesLibraries adds the packages, and a page to go to.
func (s *site) servesLibraries() {
	s.answers("GET /npm/", http.StripPrefix("/npm/", http.FileServer(http.Dir(packages(s.t)))).ServeHTTP)
}

// goesAway follows the link to another page and comes back.
func (p *page) goesAway() {
	p.t.Helper()
	p.do(`document.querySelector("#away").click()`)
	p.waits(`document.querySelector("#another") && !document.querySelector("#c")`)
	p.do(`history.back()`)
	p.waits(`document.querySelector("#c")`)
}

// Whatever a library keeps of a page that the user left, and however it brings it
// back: the form has one ticket field, and what stands in it was not sent before.
func TestLibraries_BringBackNoSpentTicket(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.servesLibraries()
	boosted := `<body hx-boost="true"><main>`
	inherited := `<body hx-boost:inherited="true"><main>`
	for _, row := range []struct {
		name, head, body string
		byCode           bool // the page renders its element
	}{
		{name: "Turbo", head: turbo + head, body: form + link},
		{name: "Turbo, rendered by code", head: turbo + explicit, body: form + link, byCode: true},
		{name: "Turbo, kept as it is", head: turbo + head, body: strings.Replace(form, "<form", `<form id="f" data-turbo-permanent`, 1) + link},
		{name: "htmx 2", head: htmx2 + head, body: boosted + form + link},
		{name: "htmx 2, rendered by code", head: htmx2 + explicit, body: boosted + form + link, byCode: true},
		{name: "htmx 4", head: htmx4 + head, body: inherited + form + link},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			path := "/" + strings.ReplaceAll(row.name, " ", "")
			s.serves(path, row.head+strings.Replace(row.body, `href="`, `href="`+path, 1))
			s.serves(path+"/another", row.head+`<h1 id="another">Another page</h1>`)
			p := b.visits(s, s.shop.URL+path)
			if row.byCode {
				p.do(`Captchagate.render("#c")`)
			}
			p.presses(box)
			p.presses(human)
			p.stands("verified")
			p.goesAway()
			if row.byCode {
				p.waits(`!document.querySelector("[name=ticket]")`)
				p.do(`Captchagate.render("#c")`)
			}
			p.stands("ready")
			if got := eval[string](p, `[...new FormData(document.querySelector("form"))].map(([k, v]) => k + "=" + v).join()`); got != "captcha-response=,ticket=,randstr=" {
				t.Errorf("the form holds %s", got)
			}
			p.presses(box)
			p.presses(human)
			p.stands("verified")
			p.do(`document.querySelector("form").submit()`)
			p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
			if l := s.received(); len(l) != 1 || l[0].String() != "allow verified normal " {
				t.Errorf("the backend received %+v", l)
			}
			p.isFine("shift")
		})
	}
}

// A login that failed has used its ticket: however a library sends the form and
// puts the answer into the page, the next try has a ticket of its own.
func TestLibraries_SendEachTicketOnce(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.servesLibraries()
	with := func(attributes string) string { return strings.Replace(form, "<form", "<form "+attributes, 1) }
	const said, frame, morph = `<p id="said"></p>`, `<turbo-frame id="frame">`, `<meta name="turbo-refresh-method" content="morph">`
	for _, row := range []struct {
		name, head, body string
		status           int    // of the answer to the first login, after which the page is seen again
		answer           string // "" = the body
	}{
		{"Turbo Drive", turbo + head, form, http.StatusUnprocessableEntity, ""},
		{"Turbo Drive, morphed", morph + turbo + head, form, http.StatusSeeOther, ""},
		{"Turbo Frame", turbo + head, frame + form + `</turbo-frame>`, http.StatusUnprocessableEntity, ""},
		{"htmx 2, elsewhere", htmx2 + head, with(`hx-post="/login" hx-target="#said"`) + said, http.StatusOK, " "},
		{"htmx 2, itself", htmx2 + head, with(`hx-post="/login" hx-swap="outerHTML"`), http.StatusOK, ""},
		{"htmx 4, elsewhere", htmx4 + head, with(`hx-post="/login" hx-target="#said"`) + said, http.StatusOK, " "},
		{"htmx 4, itself", htmx4 + head, with(`hx-post="/login" hx-swap="outerHTML"`), http.StatusOK, ""},
		{"htmx 4, morphed", htmx4 + head, with(`hx-post="/login" hx-swap="outerMorph"`), http.StatusOK, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			s.received()
			path := "/" + strings.NewReplacer(" ", "", ",", "").Replace(row.name)
			body := strings.ReplaceAll(row.body, "/login", path+"/login")
			var tries atomic.Int64
			s.answers("POST "+path+"/login", func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Accept", "application/json")
				s.login(httptest.NewRecorder(), r)
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				switch {
				case tries.Add(1) > 1:
					http.Redirect(w, r, path+"/in", http.StatusSeeOther)
				case row.status == http.StatusSeeOther:
					http.Redirect(w, r, path, http.StatusSeeOther)
				default:
					w.WriteHeader(row.status)
					_, _ = io.WriteString(w, cmp.Or(row.answer, body))
				}
			})
			s.serves(path, row.head+body)
			s.serves(path+"/in", row.head+frame+`<h1 id="in">You are in.</h1></turbo-frame>`)
			p := b.visits(s, s.shop.URL+path)
			for range 2 {
				p.stands("ready")
				p.presses(box)
				p.presses(human)
				p.stands("verified")
				p.presses(submit)
			}
			p.waits(`document.querySelector("#in")`)
			l := s.received()
			if len(l) != 2 || l[0].String() != "allow verified normal " || l[1].String() != l[0].String() {
				t.Errorf("the backend received %+v", l)
			}
			p.isFine("shift", "422")
		})
	}
}

// A library that makes the page what the server wrote, while the form stands
// filled in, takes neither the ticket nor what the page is styled by.
func TestLibraries_MorphingKeepsTheTicket(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, nil)
	s.servesLibraries()
	dark := strings.Replace(form, "data-captchagate", `data-captchagate data-theme="dark"`, 1)
	for _, row := range []struct{ name, head, body, morph string }{
		{"Turbo", `<meta name="turbo-refresh-method" content="morph">` + turbo + head, dark, `Turbo.visit(location.href, { action: "replace" })`},
		{"htmx 4", htmx4 + head, `<main hx-get="/htmx4" hx-trigger="anew" hx-select="main" hx-swap="outerMorph">` + dark + `</main>`, `htmx.trigger("main", "anew")`},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.t = t
			path := "/" + strings.ReplaceAll(row.name, " ", "")
			var served atomic.Int64
			s.answers("GET "+path, func(w http.ResponseWriter, r *http.Request) {
				text("text/html", fmt.Sprint(`<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,">`, row.head,
					strings.Replace(row.body, "</form>", fmt.Sprint(`<p id="served`, served.Add(1), `"></p></form>`), 1)))(w, r)
			})
			p := b.visits(s, s.shop.URL+path)
			p.presses(box)
			p.presses(human)
			p.stands("verified")
			p.do(row.morph)
			p.waits(`document.querySelector("#served2") && document.querySelector("#c").style.colorScheme === "dark"`)
			p.stands("verified")
			p.do(`document.querySelector("form").submit()`)
			p.waits(`location.pathname === "/login" && document.querySelector("#answer")?.textContent`)
			if l := s.received(); len(l) != 1 || l[0].String() != "allow verified normal " {
				t.Errorf("the backend received %+v", l)
			}
			p.isFine("shift")
		})
	}
}
