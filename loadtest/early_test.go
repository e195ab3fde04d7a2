package loadtest_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"captchagate/loadtest"
)

// judged is what a run that ended at a time says of one objective.
func judged(t *testing.T, objective string, st loadtest.Story, length time.Duration) loadtest.Objective {
	t.Helper()
	text := outage[:strings.Index(outage, "objectives:")] + "objectives: [" + objective + "]"
	return loadtest.Told(read(t, text), st, length).Targets[0].Objectives[0]
}

// A run that is stopped four seconds in, half way through its outage: what the
// rest could have changed is not judged, the rest is met or missed for good.
func TestRun_JudgesOnlyWhatTheRestCouldNotChange(t *testing.T) {
	for _, c := range []struct{ objective, want, found string }{
		{"useful >= 100%", "missed", "95% so far"},
		{"useful >= 99%", "missed", "95% so far"}, // the sixty that were left make up for nothing: 98 of 100 at best
		{"useful >= 98%", "not judged", "95% so far"},
		{"useful >= 38%", "met", "95% so far"},
		{"useful in before >= 100%", "met", "100%"},
		{"useful in back >= 100%", "not judged", "no data (stopped early)"},
		{"useful after away >= 100%", "not judged", "no data (stopped early)"},
		{"full verdicts outside outage >= 100%", "not judged", "100% so far"},
		{"verified >= 81%", "missed", "50% so far"},
		{"p99 in before <= 20ms", "met", "10ms"},
		{"p99 <= 300ms", "missed", "400ms so far"},
		{"p50 <= 5ms", "not judged", "10ms so far"},
		{"slowest <= 300ms", "missed", "400ms so far"},
		{"slowest <= 500ms", "not judged", "400ms so far"},
		{"slowest >= 300ms", "met", "400ms so far"},
		{"requests >= 40", "met", "40 so far"},
		{"requests = 100", "not judged", "40 so far"},
		{"failed = 0", "missed", "2 so far"},
		{"failed <= 2", "not judged", "2 so far"},
		{"failed <= 62", "met", "2 so far"},
		{"good tickets rejected in before = 0", "met", "0"},
		{"upstream calls <= 20", "missed", "28 so far"},
		{"upstream calls >= 20", "met", "28 so far"},
		{"attempts per request <= 1.1", "not judged", "0 so far"},
		{"transitions <= 0", "missed", "1 so far"},
		{"transitions <= 2", "not judged", "1 so far"},
		{"circuit changes in before = 0", "met", "0"},
		{"opens after <= 500ms", "met", "300ms"},
		{"opens after <= 200ms", "missed", "300ms"},
		{"fast again after <= 1s", "not judged", "410ms so far"},
		{"fast again after <= 400ms", "missed", "410ms so far"},
		{"upstream calls after opening <= 4", "not judged", "1 so far"},
		{"upstream calls after opening = 0", "missed", "1 so far"},
		{"first verified after recovery <= 1s", "not judged", "not seen (stopped early)"},
		{"normal after recovery <= 2s", "not judged", "not seen (stopped early)"},
		{"sent late p99 <= 1ms", "not judged", "0ms so far"},
	} {
		t.Run(c.objective, func(t *testing.T) { expect(t, judged(t, c.objective, story(), 4*time.Second), c.want, c.found) })
	}
}

func expect(t *testing.T, o loadtest.Objective, want, found string) {
	t.Helper()
	got := map[bool]string{true: "met", false: "missed"}[o.Met]
	if o.Unjudged {
		got = "not judged"
	}
	if got != want || o.Found != found || o.Met && o.Unjudged {
		t.Errorf("it is %s with %q, want %s with %q", got, o.Found, want, found)
	}
}

// What is waited for is missed once the wait is longer than was asked for, and
// says how long it was watched if its time was over.
func TestRun_JudgesAWaitByHowLongItLasted(t *testing.T) {
	silent := story() // its circuit stays closed, and nobody is verified again
	silent.Moves, silent.Looks = nil, []loadtest.Look{{At: 0, Circuit: "closed", Mode: "normal"}}
	for i := range silent.Shots {
		if i >= 20 {
			silent.Shots[i].Fate = "failed"
		}
	}
	const unseen = "not seen (stopped early)"
	for _, c := range []struct {
		name, objective string
		after           time.Duration
		want, found     string
	}{
		{"half a second into the outage", "opens after <= 1s", 2500 * time.Millisecond, "not judged", unseen},
		{"two seconds into the outage", "opens after <= 1s", 4 * time.Second, "missed", unseen},
		{"the outage is over", "opens after <= 1s", 7 * time.Second, "missed", "not within 4s"},
		{"half a second into the outage", "fast again after <= 1s", 2500 * time.Millisecond, "not judged", unseen},
		{"two seconds into the outage", "fast again after <= 1s", 4 * time.Second, "missed", unseen},
		{"the outage is over", "fast again after <= 1s", 7 * time.Second, "missed", "not within 4s"},
		{"half a second after the outage", "first verified after recovery <= 1s", 6500 * time.Millisecond, "not judged", unseen},
		{"two seconds after the outage", "first verified after recovery <= 1s", 8 * time.Second, "missed", unseen},
		{"two seconds after the outage", "normal after recovery <= 2s", 8 * time.Second, "not judged", unseen},
		{"more than three seconds after it", "normal after recovery <= 2s", 9500 * time.Millisecond, "missed", unseen},
		{"before the outage", "opens after <= 1s", time.Second, "not judged", "no data (stopped early)"},
	} {
		t.Run(c.name+", "+c.objective, func(t *testing.T) { expect(t, judged(t, c.objective, silent, c.after), c.want, c.found) })
	}
}

// Who reads the JSON reads first how it ended.
func TestRun_SaysFirstHowItEnded(t *testing.T) {
	s := read(t, strings.Replace(outage, "  - useful >= 100%\n", "", 1))
	for _, c := range []struct {
		length time.Duration
		want   string
	}{
		{4 * time.Second, `{
 "verdict": "stopped early after 4 s of 10 s, in away (phase 2 of 3)",`},
		{10 * time.Second, `{
 "verdict": "missed",`},
	} {
		var b bytes.Buffer
		if err := loadtest.Told(s, story(), c.length).WriteJSON(&b); err != nil || !strings.HasPrefix(b.String(), c.want) {
			t.Errorf("it begins with %.120s, %v; want %s", b.String(), err, c.want)
		}
	}
}
