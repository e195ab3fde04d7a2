package admin_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/api"
	"captchagate/control"
)

func TestClient_SetsAndReadsTheMode(t *testing.T) {
	d := build(t, tokens)
	server := httptest.NewServer(d)
	defer server.Close()
	client := &admin.Client{URL: server.URL + "/", Token: operatorToken}
	share := 0.5
	_, err := client.SetMode(t.Context(), control.Change{Mode: control.Degraded, Reason: "drill", Scene: "login", Share: &share, For: time.Hour})
	must(t, err)
	_, err = client.SetMode(t.Context(), control.Change{Mode: control.Normal, Reason: "attack"})
	must(t, err)
	status, err := client.Status(t.Context())
	must(t, err)
	if status.Override == nil || status.Override.Mode != control.Normal || status.Override.Actor != "ops" || status.Override.Until != nil {
		t.Errorf("the override is %+v", status.Override)
	}
	if len(status.Drills) != 1 || status.Drills[0].Share != 0.5 || status.Drills[0].Until == nil {
		t.Errorf("the drills are %+v", status.Drills)
	}
}

func TestClient_SaysWhatToDo(t *testing.T) {
	server := httptest.NewServer(build(t, tokens))
	defer server.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer html.Close()
	foreign := httptest.NewUnstartedServer(nil)
	foreign.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
	foreign.StartTLS()
	defer foreign.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, row := range []struct {
		name   string
		client admin.Client
		want   []string
	}{
		{"nobody there", admin.Client{URL: gone.URL}, []string{"cannot reach", gone.URL, "refused", "admin.listen"}},
		{"an authority of one's own", admin.Client{URL: foreign.URL}, []string{"not trusted", "unknown authority", "--config FILE", "SSL_CERT_FILE"}},
		{"a certificate for other names", admin.Client{URL: strings.Replace(foreign.URL, "127.0.0.1", "localhost", 1)}, []string{"not trusted", "not localhost", "--admin-url with one of those names"}},
		{"another certificate than that of --config", admin.Client{URL: foreign.URL, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}}, []string{"not trusted", "admin.tls.cert of --config"}},
		{"no token", admin.Client{URL: server.URL}, []string{"set GATEWAY_ADMIN_TOKEN"}},
		{"a wrong token", admin.Client{URL: server.URL, Token: "wrong-token-000000000"}, []string{"refused", "GATEWAY_ADMIN_TOKEN"}},
		{"a viewer's token", admin.Client{URL: server.URL, Token: viewerToken}, []string{"viewer"}},
		{"no reason", admin.Client{URL: server.URL, Token: operatorToken}, []string{"reason: is required"}},
		{"another server", admin.Client{URL: other.URL}, []string{"not a gateway"}},
		{"a page", admin.Client{URL: html.URL}, []string{"not a gateway"}},
		{"no address", admin.Client{}, []string{"http://HOST:PORT"}},
		{"an address without a scheme", admin.Client{URL: "127.0.0.1:8081"}, []string{"http://HOST:PORT"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := row.client.SetMode(t.Context(), control.Change{Mode: control.Normal})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range row.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error %q does not say %q", err, part)
				}
			}
			if row.client.Token != "" && strings.Contains(err.Error(), row.client.Token) {
				t.Errorf("the error %q tells the token", err)
			}
		})
	}
}

func TestClient_ReturnsProblemsAsSuch(t *testing.T) {
	server := httptest.NewServer(build(t, tokens))
	defer server.Close()
	client := &admin.Client{URL: server.URL, Token: operatorToken}
	_, err := client.SetMode(t.Context(), control.Change{Mode: control.Degraded, Scene: "logon"})
	problem, ok := errors.AsType[*api.Problem](err)
	if !ok || problem.Status != 400 || len(problem.Errors) != 2 {
		t.Errorf("the error is %#v", err)
	}
}

func TestWriteStatus_IsForPeople(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	until, probe := at.Add(time.Hour), at.Add(2*time.Second)
	for _, row := range []struct {
		name   string
		status admin.Status
		want   string
	}{
		{"all quiet", admin.Status{
			Mode: "normal", Breaker: admin.Breaker{State: "closed", Since: at},
			Account: admin.Account{State: "ok", Since: at}, Store: admin.Store{Kind: "bolt", Healthy: true},
			Script: admin.Script{State: admin.ScriptUp, Since: &at},
		}, `
mode       normal (auto: the breaker decides)
account    ok
script     up since 2026-03-01T12:00:00Z
breaker    closed since 2026-03-01T12:00:00Z
           0 requests, 0 failures, 0 slow, 0 failures in a row
upstream   0 in flight, no answers yet
store      bolt, healthy
`},
		{"an instance was killed", admin.Status{
			Mode: "normal", Account: admin.Account{State: "ok"}, Script: admin.Script{State: admin.ScriptUp}, Breaker: admin.Breaker{State: "closed", Since: at}, Store: admin.Store{Kind: "bolt", Healthy: true},
			Fleet: &admin.Fleet{Alive: 2, State: "closed", Redis: "up"},
			Replicas: []admin.Replica{
				{ID: "a", This: true, State: "closed", Version: "v1", AgeMS: 2100}, {ID: "b", State: "closed", Version: "v1", AgeMS: 1900}, {ID: "c", State: "closed", Version: "v1", AgeMS: 2100},
			},
		}, `
mode       normal (auto: the breaker decides)
account    ok
script     up
breaker    closed since 2026-03-01T12:00:00Z
           0 requests, 0 failures, 0 slow, 0 failures in a row
upstream   0 in flight, no answers yet
store      bolt, healthy
fleet      closed, 2 alive, 0 ill; Redis answers
           a (this one): closed, version v1, heard 2.1 s ago, clock +0 ms
           b: closed, version v1, heard 1.9 s ago, clock +0 ms
           c: SILENT, gone or cut off (it was closed), version v1, heard 2.1 s ago, clock +0 ms
`},
		{"all at once", admin.Status{
			Mode:     "degraded",
			Override: &control.Override{Mode: control.Degraded, Reason: "API down", Actor: "ops", Since: at, Until: &until},
			Drills:   []control.Drill{{Scene: "login", Share: 0.05, Reason: "drill", Actor: "ops", Since: at}},
			Breaker: admin.Breaker{
				State: "open", Since: at, Evidence: "10 faults in a row", Requests: 20, Failures: 10, Slow: 1, ConsecutiveFailures: 10, Disbelieved: 12, NextProbeAt: &probe,
				Transitions: []admin.Transition{{At: at, From: "closed", To: "open", Evidence: "10 faults in a row"}},
			},
			Account: admin.Account{State: "refused", Since: at, Code: "AuthFailure.SecretIdNotFound"},
			Script:  admin.Script{State: admin.ScriptDown, Since: &at, Problem: "it has HTTP status 404"},
			Upstream: admin.Upstream{InFlight: 3, P50MS: 18.4, P99MS: 40, Throttled: &admin.Throttled{Since: at, Users: 600, Unverified: 599}, Addresses: []admin.Address{
				{Address: "192.0.2.1:443", FailedAt: &at}, {Address: "192.0.2.2:443", Connections: 2},
			}},
			Budgets: []admin.Budget{
				{Scene: "comment", Kind: "budget", Cause: "circuit", For: "15m", Ends: at, Over: true, Then: "challenge"},
				{Scene: "news", Kind: "budget", Cause: "circuit", For: "15m", Ends: until, Then: "deny", Total: "200/s", Left: new(int64(120))},
				{Scene: "login", Kind: "challenge_budget", Cause: "drill", For: "1h", Ends: until, Then: "deny"},
			},
			Store: admin.Store{Kind: "bolt"},
		}, `
mode       degraded (forced degraded by ops since 2026-03-01T12:00:00Z until 2026-03-01T13:00:00Z: API down)
drill      login, 5 % of its users, by ops since 2026-03-01T12:00:00Z until changed: drill
account    REFUSED since 2026-03-01T12:00:00Z: AuthFailure.SecretIdNotFound: nobody is verified, and nobody let through unverified, until the API accepts it; a solved challenge counts; no such secret_id: look at upstream.secret_id, and in the console whether the key was deleted or disabled
script     DOWN since 2026-03-01T12:00:00Z: it has HTTP status 404; disaster tickets are corroborated
breaker    open since 2026-03-01T12:00:00Z: 10 faults in a row
           20 requests, 10 failures, 1 slow, 10 failures in a row
           SHORT OF CPU: 12 failed calls of the last minute were not believed, because this host stood still meanwhile: an outage is noticed later here; give it more CPU
           next probe at 2026-03-01T12:00:02Z
           2026-03-01T12:00:00Z closed -> open: 10 faults in a row
upstream   3 in flight, p50 18.4 ms, p99 40 ms
           THROTTLED since 2026-03-01T12:00:00Z: 599 of 600 users in the last minute were not verified; raise the account's quota or lower the load
           192.0.2.1:443: 0 connections, failed at 2026-03-01T12:00:00Z
           192.0.2.2:443: 2 connections
budget     comment lets nobody through any more: its 15m (circuit) are SPENT since 2026-03-01T12:00:00Z; now challenge
           news lets through until 2026-03-01T13:00:00Z: its 15m (circuit) run; 120 of 200/s in all left now
           login takes solved challenges until 2026-03-01T13:00:00Z: its 1h (drill) run
store      bolt, NOT healthy: it takes no writes, and nobody is let through; look at its disk
`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			must(t, admin.WriteStatus(&out, row.status))
			if got := "\n" + out.String(); got != row.want {
				t.Errorf("it is%s\nwant%s", got, row.want)
			}
		})
	}
}

// The switch is the first that is looked at while users are not verified: why is said
// there too, where it is not an outage.
func TestWriteSwitch_SaysWhyNobodyIsVerified(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const auto = "mode       normal (auto: the breaker decides)\n"
	for _, row := range []struct {
		name   string
		status admin.Status
		want   string
	}{
		{"all is well", admin.Status{Account: admin.Account{State: "ok"}}, auto},
		{"refused", admin.Status{Account: admin.Account{State: "refused", Since: at, Code: "UnauthorizedOperation.Arrears"}}, auto +
			"account    REFUSED since 2026-03-01T12:00:00Z: UnauthorizedOperation.Arrears: nobody is verified, and nobody let through unverified, until the API accepts it; a solved challenge counts; look at arrears in the console, at whether the captcha is activated, and at the key's permissions (CAM)\n"},
		{"suspect", admin.Status{Account: admin.Account{State: "suspect", Since: at, Code: "100"}}, auto +
			"account    SUSPECT since 2026-03-01T12:00:00Z: the API answers and accepts no ticket (code 100); compare captcha_app_id and app_secret_key with the console\n"},
		{"throttled", admin.Status{Account: admin.Account{State: "ok"}, Upstream: admin.Upstream{Throttled: &admin.Throttled{Since: at, Users: 3, Unverified: 2}}}, auto +
			"upstream   THROTTLED since 2026-03-01T12:00:00Z: 2 of 3 users in the last minute were not verified; raise the account's quota or lower the load\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.status.Mode = "normal"
			var out strings.Builder
			must(t, admin.WriteSwitch(&out, row.status))
			if out.String() != row.want {
				t.Errorf("it is\n%swant\n%s", out.String(), row.want)
			}
		})
	}
}

// The switch on auto ends no drill, and its sentence does not say that it did.
func TestSentence_NamesTheDrillsThatGoOn(t *testing.T) {
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := admin.Status{Mode: "normal", Drills: []control.Drill{{Scene: "comment", Share: 1}, {Scene: "login", Share: 0.05, Until: &until}}}
	want := `The breaker decides from now on; the mode is normal. A drill still runs: comment, 100 %, until changed; end it with "gateway mode auto --scene comment".` +
		` A drill still runs: login, 5 %, until 2026-03-01T12:00:00Z; end it with "gateway mode auto --scene login".`
	if got := admin.Sentence(control.Change{Mode: control.Auto}, s); got != want {
		t.Errorf("it says %s", got)
	}
}
