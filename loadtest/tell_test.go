package loadtest_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/loadtest"
	"captchagate/loadtest/scenario"
)

func read(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Read("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const outage = `
name: story
title: Two seconds well, four away, four well
phases:
  - {name: before, for: 2s, rate: 10/s}
  - {name: away, for: 4s, rate: 10/s, fault: {kind: hang}}
  - {name: back, for: 4s, rate: 10/s}
objectives:
  - useful >= 100%
  - useful during outage >= 90%
  - opens after <= 500ms
  - fast again after <= 1s
  - upstream calls after opening <= 4
  - upstream calls in away <= 20
  - first verified after recovery <= 1s
  - normal after recovery <= 2s
  - transitions <= 2
  - p99 in before <= 20ms
  - good tickets rejected = 0
  - failed = 2
`

// story: in the first half second of the outage two requests fail; then it is
// degraded until half a second after its end, and one verdict is wrong.
func story() loadtest.Story {
	st := loadtest.Story{Calls: map[float64]int64{}}
	for i := range 100 {
		one := loadtest.Shot{Due: time.Duration(i) * 100 * time.Millisecond, Took: 10 * time.Millisecond, Fate: "verified"}
		switch {
		case i >= 20 && i < 24:
			one.Took, one.Fate = 400*time.Millisecond, "failed"
			if i >= 22 {
				one.Fate = "challenged"
			}
		case i >= 24 && i < 65:
			one.Fate = "challenged"
		case i == 70:
			one.Fate = "wrong"
		}
		st.Shots = append(st.Shots, one)
	}
	for at, calls := 0.0, int64(0); at <= 10; at += 0.25 {
		st.Calls[at] = calls
		switch {
		case at < 2.25 || at >= 6.5:
			calls += 3
		case at == 3 || at == 4:
			calls++ // probes
		}
	}
	st.Looks = []loadtest.Look{{At: 0, Circuit: "closed", Mode: "normal"}, {At: 5, Circuit: "open", Mode: "degraded"}, {At: 9.9, Circuit: "closed", Mode: "normal"}}
	st.Moves = []loadtest.Move{{At: 2.3, From: "closed", To: "open"}, {At: 6.4, From: "open", To: "recovering"}, {At: 9, From: "recovering", To: "closed"}}
	return st
}

func TestRun_TellsTheStoryOfAnOutage(t *testing.T) {
	r := loadtest.Told(read(t, outage), story(), 10*time.Second)
	got := map[string]loadtest.Objective{}
	for _, o := range r.Targets[0].Objectives {
		got[o.Text] = o
	}
	for text, want := range map[string]loadtest.Objective{
		"useful >= 100%":                      {Found: "97%"},
		"useful during outage >= 90%":         {Found: "95%", Met: true},
		"opens after <= 500ms":                {Found: "300ms", Met: true},
		"fast again after <= 1s":              {Found: "410ms", Met: true},
		"upstream calls after opening <= 4":   {Found: "2", Met: true},
		"upstream calls in away <= 20":        {Found: "5", Met: true},
		"first verified after recovery <= 1s": {Found: "510ms", Met: true},
		"normal after recovery <= 2s":         {Found: "1.1s", Met: true},
		"transitions <= 2":                    {Found: "2", Met: true},
		"p99 in before <= 20ms":               {Found: "10ms", Met: true},
		"good tickets rejected = 0":           {Found: "1"},
		"failed = 2":                          {Found: "2", Met: true},
	} {
		want.Text = text
		if got[text] != want {
			t.Errorf("%q: found %q, met %t; want %q, %t", text, got[text].Found, got[text].Met, want.Found, want.Met)
		}
	}
	if r.Passed {
		t.Error("it passed, and two objectives were missed")
	}
}

func TestRun_CountsEveryRequestOnce(t *testing.T) {
	r := loadtest.Told(read(t, outage), story(), 10*time.Second)
	target := r.Targets[0]
	if n := sum(target.Total.Answers); n != 100 || target.Total.Sent != 100 {
		t.Errorf("%d of %d requests are told of, want 100", n, target.Total.Sent)
	}
	var inSlots, inPhases int
	for _, s := range target.Series {
		inSlots += sum(s.Answers)
	}
	for _, p := range target.Phases {
		inPhases += sum(p.Answers)
	}
	if inSlots != 100 || inPhases != 100 || len(target.Series) != 40 {
		t.Errorf("%d requests are in %d slots and %d in phases, want 100 in 40 and 100", inSlots, len(target.Series), inPhases)
	}
}

func sum(a loadtest.Answers) int {
	return a.Verified + a.Rejected + a.Allowed + a.Challenged + a.Denied + a.Wrong + a.Failed + a.HungUp
}

// What never came, and what a target does not tell, is no objective met.
func TestRun_DoesNotMeetWhatNeverCame(t *testing.T) {
	st := story()
	st.Looks, st.Moves = nil, nil
	for i := range st.Shots {
		if i >= 20 {
			st.Shots[i].Fate = "failed"
		}
	}
	r := loadtest.Told(read(t, outage), st, 10*time.Second)
	for _, o := range r.Targets[0].Objectives {
		want := map[string]string{
			"opens after <= 500ms": "not told", "transitions <= 2": "not told", "upstream calls after opening <= 4": "not told",
			"fast again after <= 1s": "not within 4s", "first verified after recovery <= 1s": "not within 4s", "normal after recovery <= 2s": "not within 4s",
		}[o.Text]
		if want != "" && (o.Found != want || o.Met) {
			t.Errorf("%q: found %q, met %t; want %q and not met", o.Text, o.Found, o.Met, want)
		}
	}
	if r.Targets[0].Circuit != nil {
		t.Error("a circuit is told of a gateway that told none")
	}
}

// If only pages are told the mode, the first answer that the open circuit
// caused tells when it opened: here it comes out of order, 300 ms into the outage.
func TestRun_KnowsTheCircuitByItsAnswers(t *testing.T) {
	st := story()
	st.Moves = nil
	st.Looks = []loadtest.Look{{At: 0, Mode: "normal"}, {At: 2.5, Mode: "degraded"}, {At: 9, Mode: "normal"}}
	st.Shots[21].Cause = "upstream_fault"
	st.Shots[22].Cause = "circuit_open"
	st.Shots[23].Cause, st.Shots[23].Took = "circuit_open", 0
	r := loadtest.Told(read(t, outage), st, 10*time.Second)
	found := map[string]string{}
	for _, o := range r.Targets[0].Objectives {
		found[o.Text] = o.Found
	}
	if found["opens after <= 500ms"] != "300ms" || found["transitions <= 2"] != "2" || found["upstream calls after opening <= 4"] != "2" {
		t.Errorf("found %v", found)
	}
	if r.Targets[0].Circuit != nil {
		t.Error("a circuit is drawn that nobody told")
	}
}

// A single slow answer is the machine's noise, three in a row are not.
func TestRun_FastAgainForgivesNoise(t *testing.T) {
	st := story()
	st.Shots[40].Took = 300 * time.Millisecond
	if got := loadtest.Told(read(t, outage), st, 10*time.Second).Targets[0].Outages[0].FastAfter; got > 0.5 {
		t.Errorf("one slow answer puts it off to %v", got)
	}
	st.Shots[41].Took, st.Shots[42].Took = 300*time.Millisecond, 300*time.Millisecond
	if got := loadtest.Told(read(t, outage), st, 10*time.Second).Targets[0].Outages[0].FastAfter; got < 2.2 {
		t.Errorf("three slow answers are forgiven: fast after %v", got)
	}
}

func TestRun_LeavesHungUpOutOfWhatIsUseful(t *testing.T) {
	st := story()
	for i := range st.Shots {
		st.Shots[i].Fate = "verified"
		if i%2 == 0 {
			st.Shots[i].Fate, st.Shots[i].Took = "hung up", time.Hour
		}
	}
	total := loadtest.Told(read(t, outage), st, 10*time.Second).Targets[0].Total
	if total.Useful != 100 || total.Max > 500 || total.Answers.HungUp != 50 {
		t.Errorf("useful %v %%, slowest %v ms, hung up %d", total.Useful, total.Max, total.Answers.HungUp)
	}
}

func TestRun_DoesNotPassWhenItEndedEarly(t *testing.T) {
	s := read(t, strings.Replace(outage, "  - useful >= 100%\n", "", 1))
	r := loadtest.Told(s, story(), 4*time.Second)
	if !r.EndedEarly || r.Passed || r.Seconds != 4 || r.Planned != 10 {
		t.Errorf("ended early %t, passed %t, %v of %v s", r.EndedEarly, r.Passed, r.Seconds, r.Planned)
	}
	if until := r.Targets[0].Outages[0].Until; until != 4 {
		t.Errorf("the outage is told of until %v", until)
	}
}

func TestBands_UseTheTransitionsBetweenLooks(t *testing.T) {
	looks := []loadtest.Look{
		{At: -0.2, Circuit: "closed", Mode: "normal"},
		{At: 0.1, Circuit: "closed", Mode: "normal"},
		{At: 0.5, Circuit: "closed", Mode: "normal"},
		{At: 1, Circuit: "closed", Mode: "degraded", Forced: "degraded"},
		{At: 1.5, Circuit: "closed", Mode: "degraded", Forced: "degraded"},
		{At: 2, Circuit: "down", Mode: "down"},
		{At: 2.5, Circuit: "closed", Mode: "degraded", Forced: "degraded"},
	}
	transitions := []loadtest.Move{{0.2, "closed", "open"}, {0.3, "open", "closed"}, {1.2, "closed", "open"}, {1.3, "open", "closed"}}
	circuit, mode := loadtest.Bands(looks, transitions, 3)
	wantCircuit := []loadtest.Band{
		{"closed", 0, 0.2}, {"open", 0.2, 0.3}, {"closed", 0.3, 1.2}, {"open", 1.2, 1.3}, {"closed", 1.3, 2}, {"down", 2, 2.5}, {"closed", 2.5, 3},
	}
	wantMode := []loadtest.Band{
		{"normal", 0, 0.2}, {"degraded", 0.2, 0.3}, {"normal", 0.3, 1}, {"degraded", 1, 2}, {"down", 2, 2.5}, {"degraded", 2.5, 3},
	}
	if !reflect.DeepEqual(circuit, wantCircuit) || !reflect.DeepEqual(mode, wantMode) {
		t.Errorf("circuit %v\nmode %v", circuit, mode)
	}
	if n := loadtest.Changes(mode, 0, 3); n != 3 {
		t.Errorf("%d changes of mode, want 3: a kill is none", n)
	}
	if n := loadtest.Changes(mode, 0.25, 0.9); n != 1 {
		t.Errorf("%d changes within, want 1", n)
	}
}

func TestPlan_IsTheSameForTheSameSeed(t *testing.T) {
	text := `
name: mix
title: A mix
users: {valid: 70, forged: 30}
scenes: {login: 1, payment: 3}
addresses: {count: 1000, heavy: 2, heavy_share: 0.5}
phases: [{name: a, for: 10s, rate: 1000/s}, {name: b, for: 1s, rate: 10/s, users: {evil: 1}}]
objectives: [useful >= 100%]
`
	users, scenes, addresses, due := loadtest.Users(read(t, text))
	again, _, addressesAgain, _ := loadtest.Users(read(t, text))
	other, _, _, _ := loadtest.Users(read(t, text+"seed: 2\n"))
	if !slices.Equal(users, again) || !slices.Equal(addresses, addressesAgain) {
		t.Error("the same seed drew two plans")
	}
	if slices.Equal(users, other) {
		t.Error("two seeds drew the same plan")
	}
	count := func(of []string, what ...string) (n int) {
		for _, one := range of {
			if slices.Contains(what, one) {
				n++
			}
		}
		return n
	}
	forged, payment, heavy := count(users, "forged"), count(scenes, "payment"), count(addresses, "10.0.0.1", "10.0.1.1")
	if forged < 2800 || forged > 3200 || payment < 7300 || payment > 7700 || heavy < 4800 || heavy > 5200 {
		t.Errorf("of 10,000: %d forged, %d payment, %d from the two heavy addresses", forged, payment, heavy)
	}
	if last := len(users) - 1; users[last] != "evil" || !slices.IsSorted(due) || due[last] < 10*time.Second {
		t.Errorf("the last is %s at %v", users[last], due[last])
	}
}

// Every measure that a scenario may ask for is found on a run that has all.
func TestRun_FindsEveryMeasure(t *testing.T) {
	var lines []string
	for _, m := range scenario.Measures() {
		value := map[scenario.Unit]string{scenario.Percent: "1%", scenario.Milliseconds: "1s", scenario.Number: "1"}[m.Unit]
		lines = append(lines, "  - "+m.Name+" >= "+value)
	}
	text := outage[:strings.Index(outage, "objectives:")] + "shadow: true\nscenes: {login: 1}\nobjectives:\n" + strings.Join(lines, "\n")
	for _, o := range loadtest.Told(read(t, text), story(), 10*time.Second).Targets[0].Objectives {
		if o.Found == "no data" || o.Found == "not told" || strings.HasPrefix(o.Found, "not within") {
			t.Errorf("%s: %s", o.Text, o.Found)
		}
	}
}
