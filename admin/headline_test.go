package admin_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/control"
)

// O3: of each state the page says whether users are verified, whose doing it is and since
// when.
func TestDashboard_SaysOfEachStateWhatAStrangerAsks(t *testing.T) {
	at := time.Date(2026, 11, 30, 15, 23, 7, 0, time.UTC)
	opened := admin.Breaker{State: "open", Since: at, Transitions: []admin.Transition{{At: at, From: "closed", To: "open"}}}
	for _, row := range []struct {
		name string
		make func(d *door, s *admin.Status)
		want []string
	}{
		{"normal", func(*door, *admin.Status) {}, []string{"Normal", "the Captcha API verifies users, since", "yes, by the Captcha API"}},
		{"outage", func(_ *door, s *admin.Status) { s.Breaker, s.Mode = opened, "degraded" }, []string{"Outage", "Captcha API down since", "users are not verified", "Nobody has asked in the last minute.", "Users get: let through in comment, the challenge in login.", "auto: the API is down, so degraded"}},
		{"recovering", func(_ *door, s *admin.Status) {
			s.Breaker = opened
			s.Breaker.State, s.Breaker.Since = "recovering", at.Add(time.Minute)
			s.Breaker.Transitions = append([]admin.Transition{{At: at.Add(time.Minute), From: "half_open", To: "recovering"}}, opened.Transitions...)
		}, []string{"Recovering", "The Captcha API answers again since", "after an outage from", "a growing share of them"}},
		{"forced degraded", func(d *door, s *admin.Status) {
			must(t, d.control.Set(t.Context(), control.Change{Mode: control.Degraded, Reason: "a sale", Actor: "olga", For: time.Hour}))
			s.Mode = "degraded"
		}, []string{"Operator olga switched verification off at", "The API itself works", "operator olga", "“a sale”", "forced degraded (as if the API were down), by olga", "users are sent to the API again"}},
		{"forced normal in an outage", func(d *door, s *admin.Status) {
			must(t, d.control.Set(t.Context(), control.Change{Mode: control.Normal, Reason: "a sale", Actor: "olga", For: time.Hour}))
			s.Breaker = opened
		}, []string{"Captcha API down since", "operator olga forces normal (API only; else denied) since", "users who cannot be verified are denied", "degraded while the API is away"}},
		{"suspect", func(_ *door, s *admin.Status) {
			s.Account = admin.Account{State: "suspect", Since: at, Code: "100"}
		}, []string{"rejects every user since", "probably our app key or app id is wrong", "code 100", "auto: the API answers, so all users are sent to it"}},
		{"refused", func(_ *door, s *admin.Status) {
			s.Account = admin.Account{State: "refused", Since: at, Code: "AuthFailure.SecretIdNotFound"}
		}, []string{"refuses our account since", "AuthFailure.SecretIdNotFound", "look at upstream.secret_id"}},
		{"one ill instance", func(_ *door, s *admin.Status) {
			s.Fleet = &admin.Fleet{Alive: 2, Ill: 1, State: "closed", Redis: "up"}
			s.Replicas = []admin.Replica{{ID: "a", This: true, State: "closed"}, {ID: "b", Host: "web-2", State: "open", Since: at}}
		}, []string{"not at 1 of 2 instances: web-2 alone cannot reach the Captcha API since", "The API itself works", "users who are sent there get, while it is away: let through in comment, the challenge in login", "at this instance"}},
		{"the ill one", func(_ *door, s *admin.Status) {
			s.Fleet, s.Breaker = &admin.Fleet{Alive: 3, Ill: 1, State: "closed", Redis: "up"}, opened
		}, []string{"This instance alone cannot reach the Captcha API since", "The other 2 verify theirs", "network, DNS and proxy"}},
		{"short of CPU", func(_ *door, s *admin.Status) { s.Breaker.Disbelieved = 12 }, []string{"Normal", "Besides: 12 failed calls of the last minute were not believed, because this host stood still meanwhile", "give it more CPU"}},
		{"Redis away", func(_ *door, s *admin.Status) {
			s.Fleet = &admin.Fleet{Alive: 2, State: "closed", Redis: "down", RedisSince: &at}
		}, []string{"Redis is away since", "Users are verified", "Redis, which the instances share"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := build(t, nil)
			d.status.Breaker, d.status.Account.State = admin.Breaker{State: "closed", Since: at}, "ok"
			d.setStatus(func(s *admin.Status) { row.make(d, s) })
			page := d.ask(t, "GET", "/", "").Body.String()
			head := page[strings.Index(page, `<section id="head"`):]
			head = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(head[:strings.Index(head, "</section>")], "")
			for _, want := range row.want {
				if !strings.Contains(head, want) {
					t.Errorf("it does not say %q:\n%s", want, head)
				}
			}
			if !regexp.MustCompile(`\d\d:\d\d:\d\d [A-Z]+`).MatchString(head) {
				t.Errorf("it does not say since when:\n%s", head)
			}
		})
	}
}
