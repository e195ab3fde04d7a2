package scenario_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/loadtest/scenario"
	"captchagate/strictyaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

const small = `
name: small
title: A small one
phases: [{name: only, for: 2s, rate: 10/s}]
objectives: [useful >= 100%]
`

func TestRead_FillsInWhatIsLeftOut(t *testing.T) {
	s, err := scenario.Read("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if s.Seed != 1 || s.Callers.GiveUp != 10*time.Second || s.Users["valid"] != 1 || len(s.Scenes) != 3 || s.Source != small {
		t.Errorf("the defaults are missing: %+v", s)
	}
	if s.Length() != 2*time.Second || s.Kills() || s.Phases[0].IsOutage() {
		t.Errorf("a healthy phase of 2s is read as %+v", s)
	}
}

// What a phase begins with is a step among the others, in the order of time.
func TestRead_PutsWhatPhasesBeginWithAmongTheSteps(t *testing.T) {
	s, err := scenario.Read("fleet.yaml", []byte(`
name: fleet
title: A fleet
instances: 3
balance: [80, 15, 5]
phases:
  - {name: well, for: 2s, rate: 10/s}
  - {name: away, for: 3s, rate: 10/s, redis: {fault: stop}}
  - {name: dies, for: 3s, rate: 10/s, kill: {instance: 2}, redis: {fault: flush}}
  - {name: back, for: 3s, rate: 10/s, redis: {fault: kill, for: 1s}}
steps:
  - {at: 1s, script: ok}
  - {at: 6s, start: {instance: 2}}
  - {at: 10s, redis: {fault: slow, for: 1s}}
objectives: [useful >= 100%]
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, step := range s.Moments() {
		switch {
		case step.Redis != nil:
			got = append(got, fmt.Sprintf("%v %s %v", step.At, step.Redis.Kind, step.Redis.For))
		case step.Kill != nil:
			got = append(got, fmt.Sprintf("%v kill %d", step.At, step.Kill.Instance))
		case step.Start != nil:
			got = append(got, fmt.Sprintf("%v start %d", step.At, step.Start.Instance))
		default:
			got = append(got, fmt.Sprintf("%v script", step.At))
		}
	}
	want := []string{"1s script", "2s stop 3s", "5s kill 2", "5s flush 0s", "6s start 2", "8s kill 1s", "10s slow 1s"}
	if !slices.Equal(got, want) || !s.Kills() || !s.HasRedis() {
		t.Errorf("got %q, want %q; kills %t, has Redis %t", got, want, s.Kills(), s.HasRedis())
	}
	alone, err := scenario.Read("small.yaml", []byte(small+"redis: {}\n"))
	if err != nil || !alone.HasRedis() || alone.Instances != 1 || alone.Kills() {
		t.Errorf("one with a Redis is read as %+v, %v", alone, err)
	}
}

// Somebody who mends a file wants the whole list and not one line at a time.
func TestLoad_ListsEveryMistake(t *testing.T) {
	_, err := scenario.Load(filepath.Join("testdata", "wrong.yaml"))
	if _, ok := errors.AsType[strictyaml.Mistakes](err); !ok {
		t.Fatalf("got %v, want mistakes", err)
	}
	got := err.Error() + "\n"
	golden := filepath.Join("testdata", "wrong.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRead_RefusesWhatIsNoScenario(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "",
		"two documents": small + "\n---\n" + small,
		"no YAML":       "name: [",
		"a list":        "- name: small",
		"an anchor":     strings.Replace(small, "name: small", "name: &a small", 1),
		"too long":      strings.Replace(small, "2s", "2h", 1),
		"too many":      strings.Replace(small, "2s, rate: 10/s", "2m, rate: 20000/s", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := scenario.Read("x.yaml", []byte(text)); err == nil {
				t.Errorf("it was read as %+v", s)
			} else if !strings.HasPrefix(err.Error(), "x.yaml:") {
				t.Errorf("the mistake does not say where: %v", err)
			}
		})
	}
}

func TestLoad_SaysThatAFileIsMissing(t *testing.T) {
	_, err := scenario.Load("testdata/none.yaml")
	if err == nil || !strings.Contains(err.Error(), "testdata/none.yaml: cannot be read") {
		t.Errorf("got %v", err)
	}
}

func TestObjective_Reads(t *testing.T) {
	for _, c := range []struct {
		text     string
		measure  string
		window   scenario.Window
		phase    string
		met, not float64
		found    string // how not is shown
	}{
		{"useful >= 100%", "useful", scenario.WholeRun, "", 100, 99.9996, "99.999%"},
		{"p99 during outage <= 300ms", "p99", scenario.DuringOutage, "", 300, 300.04, "300ms"},
		{"p99.9 outside outage < 1.5s", "p99.9", scenario.OutsideOutage, "", 1499, 1500, "1.5s"},
		{"upstream calls after opening <= 60", "upstream calls after opening", scenario.WholeRun, "", 60, 61, "61"},
		{"upstream calls in forced = 0", "upstream calls", scenario.InPhase, "forced", 0, 1, "1"},
		{"full verdicts after surge > 99 %", "full verdicts", scenario.AfterPhase, "surge", 99.1, 99, "99%"},
		{"bad tickets allowed with full assurance = 0", "bad tickets allowed with full assurance", scenario.WholeRun, "", 0, 1, "1"},
		{"sent late p99 <= 1ms", "sent late p99", scenario.WholeRun, "", 0.28, 1.25, "1.25ms"},
	} {
		t.Run(c.text, func(t *testing.T) {
			var o scenario.Objective
			if err := o.UnmarshalText([]byte(c.text)); err != nil {
				t.Fatal(err)
			}
			if o.Measure.Name != c.measure || o.Window != c.window || o.Phase != c.phase {
				t.Errorf("it is read as %+v", o)
			}
			if !o.Holds(c.met) || o.Holds(c.not) {
				t.Errorf("%v holds: %t, %v holds: %t", c.met, o.Holds(c.met), c.not, o.Holds(c.not))
			}
			if got := o.Show(c.not); got != c.found {
				t.Errorf("%v is shown as %q, want %q", c.not, got, c.found)
			}
		})
	}
}

// A reader who types a wrong name learns what there is.
func TestObjective_TeachesTheMeasures(t *testing.T) {
	var o scenario.Objective
	err := o.UnmarshalText([]byte("p98 <= 3ms"))
	for _, m := range scenario.Measures() {
		if err == nil || !strings.Contains(err.Error(), m.Name) {
			t.Errorf("%v does not name %q", err, m.Name)
		}
	}
}

func TestPhase_IsAnOutageWhereNobodyCanVerify(t *testing.T) {
	for fault, want := range map[string]bool{
		"{kind: hang}":                     true,
		"{kind: slow}":                     true,
		"{kind: slow, latency: 300ms}":     false,
		"{kind: none, latency: 300ms}":     false,
		"{kind: hang, share: 0.5}":         false,
		"{kind: throttle}":                 true,
		"{kind: hang}, outage: false":      false,
		"{kind: none}, outage: true":       true,
		"{kind: internal_error, share: 1}": true,
	} {
		text := strings.Replace(small, "rate: 10/s", "rate: 10/s, fault: "+fault, 1)
		s, err := scenario.Read("x.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", fault, err)
		} else if s.Phases[0].IsOutage() != want {
			t.Errorf("%s: outage is %t", fault, !want)
		}
	}
}

// The page that explains scenarios knows all that there is.
func TestDocs_TellOfEverything(t *testing.T) {
	text, err := os.ReadFile("../../docs/loadtest.md")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range scenario.Measures() {
		row := "| " + m.Name + " | " + m.Help
		if !m.Windowed {
			row = "| " + m.Name + " † | " + m.Help
		}
		words = append(words, row)
	}
	for _, kind := range scenario.Kinds() {
		words = append(words, "`"+kind+"`")
	}
	for _, word := range words {
		if !strings.Contains(string(text), word) {
			t.Errorf("docs/loadtest.md does not tell of %q", word)
		}
	}
}
