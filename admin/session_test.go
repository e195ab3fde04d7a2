package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/admin"
)

// form posts one as a browser does from the dashboard.
func (d *door) form(t *testing.T, path string, fields url.Values, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return d.ask(t, "POST", path, fields.Encode(), append(header, "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin")...)
}

// login returns the line of the header that shows the session.
func (d *door) login(t *testing.T, token string, header ...string) string {
	t.Helper()
	w := d.form(t, "/login", url.Values{"token": {token}}, header...)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Fatalf("the login: status %d to %q: %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	return cookieLine(t, w)
}

func cookieLine(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("it sets %d cookies", len(cookies))
	}
	return "Cookie: " + cookies[0].Name + "=" + cookies[0].Value
}

func TestSession_IsAStrictCookieOfTwelveHours(t *testing.T) {
	d := build(t, tokens)
	w := d.form(t, "/login", url.Values{"token": {operatorToken}})
	got := w.Header().Get("Set-Cookie")
	for _, want := range []string{"captchagate_session=", "; Path=/", "; Max-Age=43200", "; HttpOnly", "; SameSite=Strict"} {
		if !strings.Contains(got, want) {
			t.Errorf("the cookie has no %s: %s", want, got)
		}
	}
	if strings.Contains(got, "Secure") || strings.Contains(got, operatorToken) {
		t.Errorf("the cookie is %s", got)
	}
	r := httptest.NewRequest("POST", "https://gate.example/login", strings.NewReader("token="+operatorToken))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	secure := httptest.NewRecorder()
	d.ServeHTTP(secure, r)
	if got := secure.Header().Get("Set-Cookie"); !strings.Contains(got, "; Secure") {
		t.Errorf("under TLS the cookie is %s", got)
	}
}

// What a token may do its session may, with the actor's name in the audit.
func TestSession_IsWorthItsToken(t *testing.T) {
	d := build(t, tokens)
	viewer, operator := d.login(t, viewerToken), d.login(t, operatorToken)
	set := `{"mode":"degraded","reason":"test"}`
	for _, row := range []struct {
		name, method, path, body string
		header                   []string
		want                     int
	}{
		{"viewer reads", "GET", "/admin/v1/status", "", []string{viewer}, 200},
		{"viewer reads metrics", "GET", "/metrics", "", []string{viewer}, 200},
		{"viewer sees the dashboard", "GET", "/", "", []string{viewer}, 200},
		{"viewer sets", "PUT", "/admin/v1/mode", set, []string{viewer}, 403},
		{"viewer reloads", "POST", "/admin/v1/reload", "", []string{viewer}, 403},
		{"operator sets", "PUT", "/admin/v1/mode", set, []string{operator, "Sec-Fetch-Site: same-origin"}, 200},
		{"operator reloads", "POST", "/admin/v1/reload", "", []string{operator}, 200},
		{"a page of another site sets", "PUT", "/admin/v1/mode", set, []string{operator, "Sec-Fetch-Site: cross-site"}, 403},
		{"of another origin, an old browser", "PUT", "/admin/v1/mode", set, []string{operator, "Origin: https://evil.example"}, 403},
		{"a wrong token beside it", "GET", "/admin/v1/status", "", []string{operator, bearer("wrong")}, 401},
		{"half of it", "GET", "/admin/v1/status", "", []string{operator[:len(operator)/2]}, 401},
		{"another end", "GET", "/admin/v1/status", "", []string{"Cookie: captchagate_session=B" + strings.TrimPrefix(operator, "Cookie: captchagate_session=A")}, 401},
	} {
		t.Run(row.name, func(t *testing.T) {
			if w := d.ask(t, row.method, row.path, row.body, row.header...); w.Code != row.want {
				t.Errorf("status %d, want %d: %s", w.Code, row.want, w.Body)
			}
		})
	}
	entries, err := d.control.AuditEntries(t.Context(), time.Time{}, 1)
	must(t, err)
	if len(entries) != 1 || entries[0].Actor != "ops" {
		t.Errorf("the audit has %+v", entries)
	}
}

// Nothing is kept of a session: another instance with the same token knows it, and one
// without the token does not.
func TestSession_LivesAsLongAsItsToken(t *testing.T) {
	first, second := build(t, tokens), build(t, slices.Clone(tokens))
	session := first.login(t, operatorToken)
	if w := second.ask(t, "GET", "/admin/v1/status", "", session); w.Code != 200 {
		t.Errorf("another instance: status %d", w.Code)
	}
	others := build(t, []admin.Token{tokens[0], {Name: "ops", Role: admin.Operator, Token: "another-token-0123456789"}})
	if w := others.ask(t, "GET", "/admin/v1/status", "", session); w.Code != 401 {
		t.Errorf("without its token: status %d", w.Code)
	}
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		session := d.login(t, operatorToken)
		time.Sleep(12*time.Hour - time.Second)
		if w := d.ask(t, "GET", "/admin/v1/status", "", session); w.Code != 200 {
			t.Errorf("before its end: status %d", w.Code)
		}
		time.Sleep(time.Second)
		for range 20 { // an old cookie is no guess
			if w := d.ask(t, "GET", "/admin/v1/status", "", session); w.Code != 401 {
				t.Fatalf("after its end: status %d", w.Code)
			}
		}
	})
}

func TestLogin_TenWrongTokensAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		for i := range 20 {
			want := 401
			if i >= 10 {
				want = 429
			}
			w := d.form(t, "/login", url.Values{"token": {"wrong-token-" + strconv.Itoa(i)}})
			if w.Code != want || len(w.Result().Cookies()) != 0 {
				t.Fatalf("wrong token %d: status %d, want %d, cookies %v", i+1, w.Code, want, w.Result().Cookies())
			}
			if !strings.Contains(w.Body.String(), `role="alert"`) || strings.Contains(w.Body.String(), "wrong-token") {
				t.Fatalf("the page is %s", w.Body)
			}
		}
		d.login(t, operatorToken)
		if w := d.ask(t, "GET", "/admin/v1/status", "", bearer("wrong")); w.Code != 429 {
			t.Errorf("a wrong token of the API counts apart: status %d", w.Code)
		}
		time.Sleep(time.Minute)
		if w := d.form(t, "/login", url.Values{"token": {"wrong"}}); w.Code != 401 {
			t.Errorf("a minute later: status %d", w.Code)
		}
	})
}

// A session that was made up under a guessed token is a guess as well.
func TestSession_GuessesCountAsWrongTokens(t *testing.T) {
	guesser := build(t, []admin.Token{{Name: "x", Role: admin.Operator, Token: "guessed-token-0123456789"}})
	d := build(t, tokens)
	last := 0
	for range 12 {
		last = d.ask(t, "GET", "/admin/v1/status", "", guesser.login(t, "guessed-token-0123456789")).Code
	}
	if last != 429 {
		t.Errorf("the twelfth guess: status %d, want 429", last)
	}
}

func TestLogin_IsOfOurPageOnly(t *testing.T) {
	d := build(t, tokens)
	fields := url.Values{"token": {operatorToken}}.Encode()
	if w := d.ask(t, "POST", "/login", fields, "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: cross-site"); w.Code != 403 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("status %d, cookie %q", w.Code, w.Header().Get("Set-Cookie"))
	}
	if w := d.ask(t, "POST", "/login?token="+operatorToken, "", "Content-Type: application/x-www-form-urlencoded"); w.Code != 401 {
		t.Errorf("a token in the address: status %d", w.Code)
	}
}

func TestLogout_TakesTheSessionAway(t *testing.T) {
	d := build(t, tokens)
	w := d.form(t, "/logout", nil, d.login(t, viewerToken))
	if got := w.Header().Get("Set-Cookie"); w.Code != 303 || w.Header().Get("Location") != "/" || !strings.Contains(got, "captchagate_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict") {
		t.Errorf("status %d to %q, cookie %q", w.Code, w.Header().Get("Location"), got)
	}
}

// A demo asks for no token, from this machine only.
func TestDashboard_OfADemoNeedsNoToken(t *testing.T) {
	d := build(t, nil)
	for _, row := range []struct {
		name   string
		header []string
		want   int
	}{
		{"this machine", nil, 200},
		{"another machine", []string{"Peer: 192.0.2.1:5000"}, 403},
		{"a name that leads here", []string{"Host: evil.example"}, 403},
		{"a proxy", []string{"X-Forwarded-For: 192.0.2.1"}, 403},
	} {
		if w := d.ask(t, "GET", "/", "", row.header...); w.Code != row.want {
			t.Errorf("%s: status %d, want %d", row.name, w.Code, row.want)
		}
	}
	if w := d.form(t, "/mode", url.Values{"mode": {"degraded"}, "reason": {"test"}}); w.Code != 303 || d.control.Override() == nil {
		t.Errorf("the switch: status %d", w.Code)
	}
}
