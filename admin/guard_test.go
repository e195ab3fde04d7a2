package admin_test

import (
	"testing"
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
