package report_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/loadtest"
	"captchagate/loadtest/report"
)

// What keeps two runs from being compared fairly is said once each; what does
// not is not.
func TestWarnings_SayWhatDoesNotCompare(t *testing.T) {
	other := func(change func(*loadtest.Run)) []loadtest.Run {
		run := hang()
		run.Began = run.Began.Add(time.Hour)
		change(&run)
		return []loadtest.Run{hang(), run}
	}
	const both = "hang 05:00:00 and hang 06:00:00 "
	for _, c := range []struct {
		name string
		runs []loadtest.Run
		want []string
	}{
		{"the same again", other(func(r *loadtest.Run) { r.Machine.Go, r.Machine.Load = "go1.26.9", "0.30" }), nil},
		{"a comment was added", other(func(r *loadtest.Run) { r.Source = "# slower\n\n" + r.Source }), nil},
		{"one run", []loadtest.Run{unlike()}, nil},
		{"another scenario", other(func(r *loadtest.Run) { r.Scenario, r.Seed = "reset", 8 }), []string{"Different scenarios were played (hang, reset): figures do not compare"}},
		{"another seed", other(func(r *loadtest.Run) { r.Seed = 8 }), []string{both + "played the scenario differently: seed 7, 8."}},
		{"another rate", other(func(r *loadtest.Run) { r.Phases[0].Rate = "30/s" }), []string{"phase 1 is healthy: 300/s for 6\u202fs, healthy: 30/s for 6\u202fs."}},
		{"a shorter phase", other(func(r *loadtest.Run) { r.Phases[1].Until = 20 }), []string{"under hang, outage: 300/s for 14\u202fs under hang"}},
		{"a phase less", other(func(r *loadtest.Run) { r.Phases = r.Phases[:2] }), []string{"phase 3 is after: 300/s for 17\u202fs, not there."}},
		{"other objectives", other(func(r *loadtest.Run) { r.Targets[0].Objectives[0].Text = "useful >= 99%" }), []string{"differently: other objectives."}},
		{"other users", other(func(r *loadtest.Run) { r.Source += "users: {forged: 1}\n" }), []string{"differently: the scenario's file differs in users."}},
		{"other users and another seed", other(func(r *loadtest.Run) { r.Seed, r.Source = 8, r.Source+"seed: 8\nusers:\n  forged: 1\n" }), []string{"differently: seed 7, 8; the scenario's file differs in users."}},
		{"other users and phases", other(func(r *loadtest.Run) {
			r.Phases[0].Rate, r.Source = "30/s", "name: hang\nphases: []\nusers: {forged: 1}\ncallers: {tries: 2}\n"
		}), []string{"healthy: 30/s for 6\u202fs; the scenario's file differs in callers, users."}},
		{"phases that differ in what the run does not tell", other(func(r *loadtest.Run) { r.Source += "  - {name: outage, for: 15s}\n" }), []string{"the scenario's file differs in phases."}},
		{"another title", other(func(r *loadtest.Run) { r.Source += "title: Slower\n" }), nil},
		{"another machine", other(func(r *loadtest.Run) { r.Machine.CPU = "A better one" }), []string{both + "ran on different machines: 2 × A processor, linux/amd64; 2 × A better one, linux/amd64."}},
		{"another version", other(func(r *loadtest.Run) { r.Targets[0].Version = "v1.0.0" }), []string{"are of different versions: captchagate v0.9.0, v1.0.0."}},
		{"a version that nobody knows", other(func(r *loadtest.Run) { r.Targets[0].Version = "" }), nil},
		{"another load test", other(func(r *loadtest.Run) { r.Machine.Version, r.Machine.Go = "v1.0.0", "go1.27.1" }), []string{"the load test v0.9.0, v1.0.0; built with go1.26, go1.27."}},
		{"stopped early", other(func(r *loadtest.Run) { r.EndedEarly, r.Seconds = true, 15 }), []string{"hang 06:00:00 was stopped early, after 15 s of 38 s, in outage (phase 2 of 3)"}},
		{"rate not kept", other(func(r *loadtest.Run) { r.Targets[0].Kept = loadtest.Kept{Why: "the machine was busy"} }), []string{"prove nothing: the machine was busy."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := report.Warnings(c.runs...)
			if !slices.EqualFunc(got, c.want, strings.Contains) {
				t.Errorf("it warns of %q, want %q", got, c.want)
			}
		})
	}
}

// Some kinds of outage, each played on the same gateways at once, are compared
// kind by kind.
func TestWarnings_LeaveAloneWhatComparesWithinItsRun(t *testing.T) {
	series := func(change func(*loadtest.Run)) []loadtest.Run {
		other := comparison()
		other.Scenario, other.Seed, other.Source, other.Began = "reset", 8, "users: {valid: 1}\n", other.Began.Add(time.Minute)
		other.Phases = other.Phases[:2]
		slices.Reverse(other.Targets)
		change(&other)
		return []loadtest.Run{comparison(), other}
	}
	const different = "Different scenarios were played (hang, reset): figures do not compare"
	again := hang()
	again.Targets[0].Name = "another"
	for _, c := range []struct {
		name string
		runs []loadtest.Run
		want []string
	}{
		{"the same targets", series(func(*loadtest.Run) {}), nil},
		{"the same scenario again", series(func(r *loadtest.Run) { r.Scenario = "hang" }), []string{"played the scenario differently: seed 7, 8"}},
		{"one target less", series(func(r *loadtest.Run) { r.Targets = r.Targets[1:] }), []string{different}},
		{"another target", series(func(r *loadtest.Run) { r.Targets[0].Name = "haproxy" }), []string{different}},
		{"another machine", series(func(r *loadtest.Run) { r.Machine.Cores = 8 }), []string{different, "ran on different machines"}},
		{"another version", series(func(r *loadtest.Run) { r.Targets[1].Version = "v1.0.0" }), []string{different, "are of different versions"}},
		{"one stopped early", series(func(r *loadtest.Run) { r.EndedEarly = true }), []string{"was stopped early"}},
		{"a copied file", append(series(func(*loadtest.Run) {}), comparison(), comparison()), []string{"hang 05:00:00 is here 3 times: that it agrees with itself shows nothing."}},
		{"a copied file of one target", []loadtest.Run{hang(), hang()}, []string{"hang 05:00:00 is here 2 times"}},
		{"two that began together, of other targets", []loadtest.Run{hang(), again}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := report.Warnings(c.runs...); !slices.EqualFunc(got, c.want, strings.Contains) {
				t.Errorf("it warns of %q, want %q", got, c.want)
			}
		})
	}
}

// Who opens the page meets them before any figure.
func TestWarnings_StandOnTop(t *testing.T) {
	var page, text bytes.Buffer
	runs := []loadtest.Run{hang(), unlike()}
	if err := errors.Join(report.HTML(&page, runs...), report.Markdown(&text, runs...)); err != nil {
		t.Fatal(err)
	}
	top, _, _ := strings.Cut(page.String(), "<main>")
	if strings.Count(top, "<li>") != len(report.Warnings(runs...)) {
		t.Errorf("the page begins with:\n%s", top)
	}
	for _, warning := range report.Warnings(runs...) {
		if at := strings.Index(text.String(), warning[:20]); at < 0 || at > strings.Index(text.String(), "### Outages") {
			t.Errorf("Markdown does not begin with %q", warning)
		}
	}
}
