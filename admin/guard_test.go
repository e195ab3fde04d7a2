package admin_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuard_LetsInByToken(t *testing.T) {
	d := build(t, tokens)
	set := `{"mode":"degraded","reason":"test"}`
	for _, row := range []struct {
		name, method, path, body string
		header                   []string
		want                     int
	}{
		{"no token", "GET", "/admin/v1/status", "", nil, 401},
		{"a wrong token", "GET", "/admin/v1/status", "", []string{bearer("operator-token-0123456780")}, 401},
		{"an empty token", "GET", "/admin/v1/status", "", []string{bearer("")}, 401},
		{"the beginning of a token", "GET", "/admin/v1/status", "", []string{bearer(operatorToken[:10])}, 401},
		{"another scheme", "GET", "/admin/v1/status", "", []string{"Authorization: Basic " + operatorToken}, 401},
		{"a token without a scheme", "GET", "/admin/v1/status", "", []string{"Authorization: " + operatorToken}, 401},
		{"no token, unknown address", "GET", "/nothing", "", nil, 401},
		{"no token, wrong method", "POST", "/admin/v1/status", "", nil, 401},
		{"no token, metrics", "GET", "/metrics", "", nil, 401},
		{"viewer reads", "GET", "/admin/v1/status", "", []string{bearer(viewerToken)}, 200},
		{"viewer reads the audit", "GET", "/admin/v1/audit", "", []string{bearer(viewerToken)}, 200},
		{"viewer reads metrics", "GET", "/metrics", "", []string{bearer(viewerToken)}, 200},
		{"viewer sets", "PUT", "/admin/v1/mode", set, []string{bearer(viewerToken)}, 403},
		{"viewer sets badly", "PUT", "/admin/v1/mode", "{", []string{bearer(viewerToken)}, 403},
		{"viewer reloads", "POST", "/admin/v1/reload", "", []string{bearer(viewerToken)}, 403},
		{"operator reads", "GET", "/admin/v1/status", "", []string{bearer(operatorToken)}, 200},
		{"operator sets", "PUT", "/admin/v1/mode", set, []string{bearer(operatorToken)}, 200},
		{"operator reloads", "POST", "/admin/v1/reload", "", []string{bearer(operatorToken)}, 200},
		{"lower case scheme", "GET", "/admin/v1/status", "", []string{"Authorization: bearer " + viewerToken}, 200},
		{"operator through a proxy", "PUT", "/admin/v1/mode", set, []string{bearer(operatorToken), "X-Forwarded-For: 192.0.2.1", "Peer: 192.0.2.9:1", "Host: gate.example"}, 200},
		{"operator's browser on another site", "PUT", "/admin/v1/mode", set, []string{bearer(operatorToken), "Sec-Fetch-Site: cross-site"}, 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := d.ask(t, row.method, row.path, row.body, row.header...)
			if w.Code != row.want {
				t.Fatalf("status %d, want %d: %s", w.Code, row.want, w.Body)
			}
			if row.want >= 400 {
				wantProblem(t, w, row.want)
			}
			if got := w.Header().Get("WWW-Authenticate"); (got != "") != (row.want == 401) {
				t.Errorf("WWW-Authenticate is %q", got)
			}
		})
	}
}

// Whoever tries tokens has ten a minute; a right one is let in all the same.
func TestGuard_TenWrongTokensAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		status := func(peer, token string) int {
			return d.ask(t, "GET", "/admin/v1/status", "", bearer(token), "Peer: "+peer+":50000").Code
		}
		for range 2 {
			for i := range 30 {
				want := 401
				if i >= 10 {
					want = 429
				}
				if got := status("192.0.2.1", "wrong-token-"+strconv.Itoa(i)); got != want {
					t.Fatalf("wrong token %d: status %d, want %d", i+1, got, want)
				}
			}
			if got := status("192.0.2.1", operatorToken); got != 200 {
				t.Errorf("the right token: status %d", got)
			}
			if got := d.ask(t, "GET", "/admin/v1/status", "", "Peer: 192.0.2.1:50000").Code; got != 401 {
				t.Errorf("no token: status %d", got)
			}
			if got := status("192.0.2.2", "wrong"); got != 401 {
				t.Errorf("another address: status %d", got)
			}
			time.Sleep(time.Minute)
		}
	})
}

// The memory of who tried is bounded; those beyond it have tried too many.
func TestGuard_RemembersABoundedNumberOfWrongTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		refused := 0
		try := func(i int, token string) int {
			return d.ask(t, "GET", "/admin/v1/status", "", bearer(token), fmt.Sprintf("Peer: 10.0.%d.%d:1", i/256, i%256)).Code
		}
		for i := range 5000 {
			if try(i, "wrong") == 429 {
				refused++
			}
		}
		if refused != 5000-4096 || try(4999, operatorToken) != 200 {
			t.Errorf("%d of 5000 addresses were refused, want those beyond 4096", refused)
		}
		time.Sleep(time.Minute)
		if got := try(4999, "wrong"); got != 401 {
			t.Errorf("a minute later: status %d", got)
		}
	})
}

func TestGuard_WithoutTokensLetsInFromHereOnly(t *testing.T) {
	d := build(t, nil)
	for _, row := range []struct {
		name   string
		header []string
		want   int
	}{
		{"from here", nil, 200},
		{"by IPv6", []string{"Peer: [::1]:50000", "Host: [::1]:8081"}, 200},
		{"by name", []string{"Host: localhost:8081"}, 200},
		{"without a port", []string{"Host: localhost"}, 200},
		{"another loopback address", []string{"Peer: 127.8.8.8:1", "Host: 127.0.0.2"}, 200},
		{"mapped into IPv6", []string{"Peer: [::ffff:127.0.0.1]:1"}, 200},
		{"same origin", []string{"Origin: http://127.0.0.1:8081", "Sec-Fetch-Site: same-origin"}, 200},
		{"from another machine", []string{"Peer: 192.0.2.1:50000"}, 403},
		{"from no address", []string{"Peer: @"}, 403},
		{"a name that points here", []string{"Host: rebound.example:8081"}, 403},
		{"a name that begins like it", []string{"Host: localhost.example"}, 403},
		{"an address that begins like it", []string{"Host: 127.0.0.1.example"}, 403},
		{"no host", []string{"Host: "}, 403},
		{"Forwarded", []string{"Forwarded: for=192.0.2.1"}, 403},
		{"X-Forwarded-For", []string{"X-Forwarded-For: 192.0.2.1"}, 403},
		{"X-Forwarded-Host", []string{"X-Forwarded-Host: gate.example"}, 403},
		{"X-Real-IP", []string{"X-Real-IP: 192.0.2.1"}, 403},
		{"Via", []string{"Via: 1.1 proxy"}, 403},
		{"another site's page", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"another site's page, old browser", []string{"Origin: https://evil.example"}, 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := d.ask(t, "PUT", "/admin/v1/mode", `{"mode":"auto","reason":"test"}`, row.header...)
			if w.Code != row.want {
				t.Fatalf("status %d, want %d: %s", w.Code, row.want, w.Body)
			}
			if row.want == 403 {
				wantProblem(t, w, 403)
			}
		})
	}
}
