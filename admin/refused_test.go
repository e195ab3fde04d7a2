package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/admin"
)

// refusedFor is captchagate_admin_refused_total of a reason.
func (d *door) refusedFor(t *testing.T, reason string) (n float64) {
	t.Helper()
	families, err := d.metrics.Gather()
	must(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "captchagate_admin_refused_total" && m.GetLabel()[0].GetValue() == reason {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

var triesInLine = regexp.MustCompile(`(?m)^.*level=WARN.*wrong operators' token.* from=(\S+) tries=(\d+)$`)

// Who tries tokens is in the log, a line a second at most, and all tries are counted; no
// line holds anything of a token.
func TestGuard_TellsOfWrongTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		peer := "Peer: 192.0.2.7:50000"
		for i := range 300 { // thirty seconds
			d.ask(t, "GET", "/admin/v1/status", "", bearer("guess-"+strconv.Itoa(i)), peer)
			d.form(t, "/login", url.Values{"token": {"guess-of-a-form"}}, peer)
			time.Sleep(100 * time.Millisecond)
		}
		d.ask(t, "GET", "/admin/v1/status", "", bearer("guess"), peer)
		lines, tries := triesInLine.FindAllStringSubmatch(d.log.String(), -1), 0
		for _, line := range lines {
			n, _ := strconv.Atoi(line[2])
			if tries += n; line[1] != "192.0.2.7" {
				t.Errorf("the line names %s", line[1])
			}
		}
		if len(lines) < 29 || len(lines) > 31 || tries != 601 {
			t.Errorf("%d lines tell of %d tries, want one a second and 601", len(lines), tries)
		}
		if strings.Contains(d.log.String(), "guess") {
			t.Error("the log shows what was tried")
		}
		if wrong, more := d.refusedFor(t, "wrong_token"), d.refusedFor(t, "too_many_wrong"); wrong+more != 601 || wrong < 10 || wrong > 20 {
			t.Errorf("counted are %v and %v", wrong, more)
		}
	})
}

// Each reason is counted as itself, and what is let in is not.
func TestGuard_CountsWhomItRefuses(t *testing.T) {
	d := build(t, tokens)
	set := `{"mode":"degraded","reason":"test"}`
	d.ask(t, "GET", "/admin/v1/status", "")
	d.ask(t, "GET", "/", "")
	d.ask(t, "PUT", "/admin/v1/mode", set, bearer(viewerToken))
	d.form(t, "/mode", url.Values{}, d.login(t, viewerToken))
	d.ask(t, "PUT", "/admin/v1/mode", set, bearer(operatorToken), "Sec-Fetch-Site: cross-site")
	d.ask(t, "GET", "/admin/v1/status", "", bearer(operatorToken))
	demo := build(t, nil)
	demo.ask(t, "GET", "/admin/v1/status", "", "Peer: 192.0.2.1:50000")
	for reason, want := range map[string]float64{"no_token": 2, "viewer": 2, "other_site": 1, "wrong_token": 0, "not_from_here": 0} {
		if got := d.refusedFor(t, reason); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	if got := demo.refusedFor(t, "not_from_here"); got != 1 {
		t.Errorf("not_from_here: %v", got)
	}
	if triesInLine.MatchString(d.log.String()) {
		t.Errorf("the log tells of wrong tokens, and there were none:\n%s", d.log.String())
	}
}

// Who logs in has a line, with name and address and nothing of the token.
func TestLogin_IsInTheLog(t *testing.T) {
	d := build(t, tokens)
	d.login(t, operatorToken, "Peer: 192.0.2.7:50000")
	if line := d.log.String(); !strings.Contains(line, "actor=ops role=operator from=192.0.2.7\n") || strings.Contains(line, operatorToken) {
		t.Errorf("the log says %s", line)
	}
}

// A proxy that ends TLS leads to a gateway that speaks plain http. By public_url it knows
// where its browsers are, and by another name on the machine itself nothing changes.
func TestSession_IsSecureBehindAProxy(t *testing.T) {
	for _, row := range []struct{ public, host, origin, cookie string }{
		{"https://gate.example", "gate.example", "https://gate.example", "secure"},
		{"https://gate.example/ops", "GATE.example:443", "", "secure"},
		{"https://gate.example:8443", "gate.example:8443", "null", "secure"},
		{"https://gate.example", "127.0.0.1:8081", "http://127.0.0.1:8081", "plain"},
		{"https://gate.example", "localhost:8081", "http://localhost:8081", "plain"},
		{"https://gate.example:8443", "gate.example", "https://gate.example", "plain"},
		{"http://gate.example", "gate.example", "http://gate.example", "plain"},
		{"", "gate.example", "http://gate.example", "plain"},
		{"https://gate.example", "gate.example", "http://gate.example", "none"}, // it would be lost
	} {
		t.Run(row.public+" as "+row.host+" from "+row.origin, func(t *testing.T) {
			d := buildWith(t, admin.Config{Listen: "127.0.0.1:0", Tokens: tokens, PublicURL: row.public})
			r := httptest.NewRequest("POST", "http://"+row.host+"/login", strings.NewReader("token="+operatorToken))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			if row.origin != "" {
				r.Header.Set("Origin", row.origin)
			}
			w := httptest.NewRecorder()
			d.ServeHTTP(w, r)
			set := w.Header().Get("Set-Cookie")
			if got := strings.Contains(set, "; Secure"); got != (row.cookie == "secure") || (set == "") != (row.cookie == "none") {
				t.Errorf("the cookie is %q, want %s", set, row.cookie)
			}
			if hsts := w.Header().Get("Strict-Transport-Security"); (hsts != "") != (row.cookie != "plain") {
				t.Errorf("Strict-Transport-Security is %q", hsts)
			}
			if row.cookie == "none" && (w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "This gateway is at https://gate.example: log in there.")) {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
}

// Names of the log are short: a token asks for as many as a person does, so that nobody
// finds out by trying whose a name is.
func TestWho_IsForPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		named := func(token string) int {
			n := 0
			for i := range 100 {
				w := d.ask(t, "POST", "/admin/v1/who", `{"ip":"203.0.113.`+strconv.Itoa(i)+`"}`, bearer(token), "Content-Type: application/json")
				switch w.Code {
				case http.StatusOK:
					n++
				case http.StatusTooManyRequests:
					wantProblem(t, w, 429)
				default:
					t.Fatalf("status %d: %s", w.Code, w.Body)
				}
			}
			return n
		}
		if n := named(viewerToken); n != 30 {
			t.Errorf("a viewer's token names %d at once", n)
		}
		time.Sleep(10 * time.Second)
		if n, others := named(viewerToken), named(operatorToken); n != 10 || others != 30 {
			t.Errorf("ten seconds later it names %d, another %d", n, others)
		}
		if got := d.refusedFor(t, "who_rate"); got != 70+90+70 {
			t.Errorf("counted are %v", got)
		}
	})
}

// Viewers take half of the streams at most, so that there is one for an operator.
func TestEvents_ViewersLeaveSomeToOperators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		var all []*listener
		for range 64 {
			all = append(all, d.listen(t, bearer(viewerToken)))
		}
		late := func() int {
			return d.ask(t, "GET", "/admin/v1/events", "", bearer(viewerToken)).Code
		}
		if got := late(); got != http.StatusServiceUnavailable {
			t.Errorf("one too many: %d", got)
		}
		operators := d.listen(t, bearer(operatorToken))
		count(t, operators.heard(), "event: status", 1)
		all[0].leave()
		synctest.Wait()
		all[0] = d.listen(t, bearer(viewerToken))
		count(t, all[0].heard(), "event: status", 1)
		d.server.EndStreams()
		for _, l := range append(all, operators) {
			if !l.over() {
				t.Error("a stream goes on")
			}
		}
	})
}
