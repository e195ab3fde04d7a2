package admin_test

import (
	"strings"
	"testing"
	"time"

	"captchagate/watch"
)

// O4: a day in which every minute was another one is drawn of so few parts that a browser
// does not stop for it.
func TestDashboard_DrawsADayOfFewParts(t *testing.T) {
	d := build(t, nil)
	now := time.Now().Truncate(time.Minute)
	for i := range uint32(watch.HistoryMinutes) {
		n := i*2654435761>>20 + 1 // as good as chance
		p50, p99 := float32(n%90+1), float32(n%900+100)
		state := "closed"
		if i/5%2 == 1 {
			state = "open"
		}
		d.points = append(d.points, watch.Point{
			At: now.Add(time.Duration(i) * time.Minute).Add(-watch.HistoryMinutes * time.Minute), State: state, Mode: "normal", P50MS: &p50, P99MS: &p99, Spared: n % 70, Solved: n % 11,
			Answers: watch.ByAction{Allow: watch.ByMode{Normal: n, Degraded: n % 500}, Challenge: watch.ByMode{Degraded: n % 300}, Deny: watch.ByMode{Normal: n % 70, Degraded: n % 90}},
			Calls:   watch.Calls{Passed: n, Rejected: n % 70, Fault: n % 50, Throttled: n % 30},
		})
	}
	w := d.ask(t, "GET", "/charts?hours=24", "")
	parts, bytes := strings.Count(w.Body.String(), "<"), w.Body.Len()
	t.Logf("%d tags, %d bytes", parts, bytes)
	if w.Code != 200 || strings.Count(w.Body.String(), `class="plot"`) != 3 || parts > 4500 || bytes > 260_000 {
		t.Errorf("status %d, %d tags, %d bytes", w.Code, parts, bytes)
	}
}
