package loadtest_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"captchagate/loadtest"
)

// What a fleet did is told as a whole: changes are summed, the circuit opens with the
// last instance's, and one that died before it could open holds nobody to account.
func TestRun_TellsOfAFleet(t *testing.T) {
	st := story()
	for i := range st.Shots {
		st.Shots[i].Instance = i % 2
	}
	late := loadtest.Story{Looks: st.Looks, Moves: []loadtest.Move{{At: 2.4, From: "closed", To: "open"}, {At: 6.5, From: "open", To: "recovering"}, {At: 9.5, From: "recovering", To: "closed"}}}
	dead := loadtest.Story{Looks: []loadtest.Look{{At: 0, Circuit: "closed", Mode: "normal"}, {At: 2.1, Circuit: "down", Mode: "down"}}}
	st.Others = []loadtest.Story{late, dead}
	text := outage[:strings.Index(outage, "objectives:")] + "objectives: [transitions = 4, circuit changes = 6, opens after >= 399ms, opens after <= 401ms, transitions in back = 2]\n"
	target := loadtest.Told(read(t, text), st, 10*time.Second).Targets[0]
	for _, o := range target.Objectives {
		if !o.Met {
			t.Errorf("%s: found %s", o.Text, o.Found)
		}
	}
	want := []loadtest.Band{{State: "closed", Until: 2.3}, {State: "open", From: 2.3, Until: 6.5}, {State: "recovering", From: 6.5, Until: 9.5}, {State: "closed", From: 9.5, Until: 10}}
	if !reflect.DeepEqual(target.Circuit, want) {
		t.Errorf("as one the circuit was %v, want %v", target.Circuit, want)
	}
	if m := target.Members; len(m) != 3 || m[0].Sent != 50 || m[1].Sent != 50 || m[2].Sent != 0 {
		t.Fatalf("the instances are told of as %+v", m)
	}
	if away := target.Members[2].Away(); len(away) != 1 || away[0] != (loadtest.Band{State: "down", From: 2.1, Until: 10}) {
		t.Errorf("the third was away %v", away)
	}
	var out strings.Builder
	loadtest.Summarize(&out, loadtest.Run{Seconds: 10, Targets: []loadtest.Target{target}})
	for _, line := range []string{"  instance 1: 50 requests\n", "  instance 3: 0 requests, down from 2.1 s to the end\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the summary lacks %q:\n%s", line, out.String())
		}
	}
}

// An instance that lived through an outage and never opened keeps the fleet from having
// opened.
func TestRun_WaitsForTheLastInstanceToOpen(t *testing.T) {
	st := story()
	st.Others = []loadtest.Story{{Looks: []loadtest.Look{{At: 0, Circuit: "closed", Mode: "normal"}}}}
	text := outage[:strings.Index(outage, "objectives:")] + "objectives: [opens after <= 3s]\n"
	o := loadtest.Told(read(t, text), st, 10*time.Second).Targets[0].Objectives[0]
	if o.Met || o.Found != "not within 4s" {
		t.Errorf("%s: met %t, found %s", o.Text, o.Met, o.Found)
	}
}

// A gateway of one instance is told of as ever, without members.
func TestRun_TellsOfOneWithoutMembers(t *testing.T) {
	if target := loadtest.Told(read(t, outage), story(), 10*time.Second).Targets[0]; target.Members != nil || target.Redis != nil {
		t.Errorf("members %v, Redis %v", target.Members, target.Redis)
	}
}
