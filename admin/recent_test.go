package admin_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/watch"
)

// gets is what the page's first words say that users get.
func (d *door) gets(t *testing.T) string {
	t.Helper()
	page := d.ask(t, "GET", "/", "").Body.String()
	_, page, _ = strings.Cut(page, `<span class="gets">`)
	page, _, _ = strings.Cut(page, "</h1>")
	return strings.ReplaceAll(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, ""), "\u202f", " ")
}

// O3: what users got before the state began is not what they get, and of how many that is
// said is said with it.
func TestDashboard_CountsWhatUsersGetSinceTheStateBegan(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration, by watch.ByAction) watch.Point {
		return watch.Point{At: now.Add(-ago).Truncate(time.Second), Answers: by, State: "closed", Mode: "normal"}
	}
	challenged, verified := watch.ByAction{Challenge: watch.ByMode{Degraded: 100}}, watch.ByAction{Allow: watch.ByMode{Normal: 20}, Deny: watch.ByMode{Normal: 5}}
	mixed := watch.ByAction{Allow: watch.ByMode{Normal: 30}, Deny: watch.ByMode{Normal: 10}, Challenge: watch.ByMode{Degraded: 60}}
	for _, row := range []struct {
		name   string
		state  string
		since  time.Duration // ago
		points []watch.Point
		want   string
	}{
		{"after a recovery", "closed", 8 * time.Second, []watch.Point{at(30*time.Second, challenged), at(4*time.Second, verified)}, "Users get: 80 % verified, 20 % rejected by the API (25 answers in the last 8 s)."},
		{"for long", "closed", time.Hour, []watch.Point{at(2*time.Minute, challenged), at(30*time.Second, verified)}, "Users get: 80 % verified, 20 % rejected by the API (25 answers in the last minute)."},
		{"nobody came since", "closed", 8 * time.Second, []watch.Point{at(30*time.Second, challenged)}, "Nobody has asked since "},
		{"just now", "closed", time.Second, []watch.Point{at(30*time.Second, challenged)}, "It just began: what users get is known in a second."},
		{"a few", "closed", 8 * time.Second, []watch.Point{at(4*time.Second, watch.ByAction{Allow: watch.ByMode{Normal: 3}})}, "Users get: 3 verified (3 answers in the last 8 s)."},
		{"recovering", "recovering", 8 * time.Second, []watch.Point{at(30*time.Second, challenged), at(4*time.Second, mixed)}, "40 % of the users are verified already, the others still get: 60 % challenge (100 answers in the last 8 s)."},
		{"recovering, all", "recovering", 8 * time.Second, []watch.Point{at(4*time.Second, verified)}, "100 % of the users are verified already (25 answers in the last 8 s)."},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := build(t, nil)
			late := time.Since(now) // on a busy machine
			for i := range row.points {
				row.points[i].At = row.points[i].At.Add(late)
			}
			d.points = row.points
			d.setStatus(func(s *admin.Status) {
				s.Breaker, s.Account.State = admin.Breaker{State: row.state, Since: now.Add(late - row.since)}, "ok"
			})
			if got := d.gets(t); !strings.Contains(got, row.want) {
				t.Errorf("it says %q, want %q", got, row.want)
			}
		})
	}
}

// Who sees a calm page right after an outage learns of it, and the charts say why they know
// nothing of earlier.
func TestDashboard_SaysWhatWasBefore(t *testing.T) {
	d := build(t, nil)
	began := time.Now().Add(-5 * time.Minute).Truncate(time.Second)
	ended := time.Now().Add(-12 * time.Second)
	d.points = []watch.Point{{At: began, State: "closed", Mode: "normal"}}
	d.incident = watch.Incident{ID: "0", Began: began, Ended: &ended, Parts: []watch.Part{{Kind: watch.KindCircuit, Began: began, Ended: &ended}}}
	d.setStatus(func(s *admin.Status) { s.Breaker, s.Account.State = admin.Breaker{State: "closed", Since: ended}, "ok" })
	page := d.ask(t, "GET", "/", "").Body.String()
	for _, want := range []string{
		"nobody’s; the last incident ended 12 s ago, it was the Captcha API’s", "no data: this instance started at " + began.Local().Format("15:04:05 MST"),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("it does not say %q: %s", want, page)
		}
	}
}

// No mode is chosen in the form: that one is in force is said beside it.
func TestSwitch_ChoosesNothingByItself(t *testing.T) {
	page := build(t, nil).ask(t, "GET", "/", "").Body.String()
	if strings.Contains(page, "checked") || !strings.Contains(page, "In force now: <b>auto (the gateway decides)</b>") {
		t.Errorf("the form looks as if something were forced: %s", page)
	}
}
