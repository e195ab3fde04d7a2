package report

import (
	"fmt"
	"slices"
	"strings"

	"captchagate/loadtest"
)

// Warnings says what keeps runs from being compared fairly, a sentence each:
// other scenarios, loads, machines or versions, and runs that were stopped or
// did not keep their rate. One run has none: its own verdict tells.
func Warnings(runs ...loadtest.Run) []string {
	if len(runs) < 2 {
		return nil
	}
	all := scenariosDiffer(runs)
	for i := range runs[1:] {
		all = append(all, differences(&runs[0], &runs[i+1])...)
	}
	for i := range runs {
		r := &runs[i]
		if r.EndedEarly {
			all = append(all, fmt.Sprintf("%s was stopped early, %s: what it does not show, it may have had no time for.", runName(r), r.Stopped()))
		}
		for _, t := range r.Targets {
			if !t.Kept.OK {
				all = append(all, fmt.Sprintf("%s: the load of %s was not what it should be. %s", runName(r), t.Name, notKept(t.Kept)))
			}
		}
	}
	return all
}

func runName(r *loadtest.Run) string { return r.Scenario + " " + r.Began.UTC().Format("15:04:05") }

// scenariosDiffer compares each run with the first of the same scenario.
func scenariosDiffer(runs []loadtest.Run) (all []string) {
	var names []string
	var first []*loadtest.Run
	for i := range runs {
		b := &runs[i]
		at := slices.Index(names, b.Scenario)
		if at < 0 {
			names, first = append(names, b.Scenario), append(first, b)
			continue
		}
		if parts := loadDiffers(first[at], b); len(parts) > 0 {
			all = append(all, fmt.Sprintf("%s and %s played the scenario differently: %s. What else differs between them may come of that.",
				runName(first[at]), runName(b), strings.Join(parts, "; ")))
		}
	}
	if len(names) > 1 {
		all = append([]string{"Different scenarios were played (" + strings.Join(names, ", ") + "): figures do not compare from one to another."}, all...)
	}
	return all
}

// differences are those of a run's machine and versions from the first's.
func differences(a, b *loadtest.Run) (all []string) {
	both := runName(a) + " and " + runName(b)
	m, n := a.Machine, b.Machine
	if m.OS != n.OS || m.CPU != n.CPU || m.Cores != n.Cores {
		all = append(all, fmt.Sprintf("%s ran on different machines: %d × %s, %s; %d × %s, %s.", both, m.Cores, m.CPU, m.OS, n.Cores, n.CPU, n.OS))
	}
	if parts := versionsDiffer(a, b); len(parts) > 0 {
		all = append(all, fmt.Sprintf("%s are of different versions: %s. Where these are not what you compare, play both with the same.", both, strings.Join(parts, "; ")))
	}
	return all
}

// loadDiffers says in what one scenario was played differently.
func loadDiffers(a, b *loadtest.Run) (parts []string) {
	if a.Seed != b.Seed {
		parts = append(parts, fmt.Sprintf("seed %d, %d", a.Seed, b.Seed))
	}
	for i := range max(len(a.Phases), len(b.Phases)) {
		if one, two := phaseText(a.Phases, i), phaseText(b.Phases, i); one != two {
			parts = append(parts, fmt.Sprintf("phase %d is %s, %s", i+1, one, two))
		}
	}
	if !slices.Equal(asked(a), asked(b)) {
		parts = append(parts, "other objectives")
	}
	if len(parts) == 0 && meaning(a.Source) != meaning(b.Source) {
		parts = append(parts, "the scenario's file was changed in between, though not in its seed, phases and objectives")
	}
	return parts
}

func phaseText(phases []loadtest.Phase, i int) string {
	if i >= len(phases) {
		return "not there"
	}
	p := phases[i]
	text := fmt.Sprintf("%s: %s for %s", p.Name, p.Rate, seconds(p.Until-p.From))
	if p.Fault != "" {
		text += " under " + p.Fault
	}
	return text
}

// asked are the objectives' texts; all targets of a run have the same.
func asked(r *loadtest.Run) (texts []string) {
	for _, t := range r.Targets[:min(1, len(r.Targets))] {
		for _, o := range t.Objectives {
			texts = append(texts, o.Text)
		}
	}
	return texts
}

// meaning is a scenario's text without its empty lines and those of comments.
func meaning(source string) string {
	var kept []string
	for line := range strings.Lines(source) {
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' {
			kept = append(kept, strings.TrimRight(line, " \t\r\n"))
		}
	}
	return strings.Join(kept, "\n")
}

// versionsDiffer compares the load tests, and targets of one name. Patches of
// Go's are alike.
func versionsDiffer(a, b *loadtest.Run) (parts []string) {
	add := func(what, one, two string) {
		if one != two && known(one) && known(two) {
			parts = append(parts, what+" "+one+", "+two)
		}
	}
	for _, t := range a.Targets {
		for _, u := range b.Targets {
			if t.Name == u.Name {
				add(t.Name, t.Version, u.Version)
			}
		}
	}
	add("the load test", a.Machine.Version, b.Machine.Version)
	add("built with", minor(a.Machine.Go), minor(b.Machine.Go))
	return parts
}

func known(version string) bool { return version != "" && version != "unknown" }

// minor cuts go1.26.8 to go1.26.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
