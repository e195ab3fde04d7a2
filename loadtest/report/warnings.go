package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"captchagate/chart"
	"captchagate/loadtest"
)

// Warnings says what keeps runs from being compared fairly, a sentence each:
// one that stands there twice, other scenarios, loads, machines or versions, and
// runs that were stopped or did not keep their rate. One run has none: its own
// verdict tells. If all have the same targets, two or more, each scenario is
// compared within its run, and may be another.
func Warnings(runs ...loadtest.Run) []string {
	if len(runs) < 2 {
		return nil
	}
	all := twice(runs)
	var unlike []string
	for i := range runs[1:] {
		unlike = append(unlike, differences(&runs[0], &runs[i+1])...)
	}
	all = append(all, scenariosDiffer(runs, len(unlike) == 0 && compareWithin(runs))...)
	all = append(all, unlike...)
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

// runName is the file's, which is what somebody who compares has named it by.
func runName(r *loadtest.Run) string {
	return cmp.Or(r.File, r.Scenario+" "+r.Began.UTC().Format("15:04:05"))
}

// names are those of a run's targets.
func names(r *loadtest.Run) (all []string) {
	for _, t := range r.Targets {
		all = append(all, t.Name)
	}
	return all
}

// twice tells of a run that is compared with itself, as with a copied file: it
// would look like two that agree.
func twice(runs []loadtest.Run) (all []string) {
	for i := range runs {
		same := func(r loadtest.Run) bool {
			return r.Scenario == runs[i].Scenario && r.Began.Equal(runs[i].Began) && slices.Equal(names(&r), names(&runs[i]))
		}
		if slices.IndexFunc(runs, same) < i {
			continue
		}
		if n := number(runs, same); n > 1 {
			all = append(all, fmt.Sprintf("%s is here %d times: that it agrees with itself shows nothing. Give the files of different runs.", runName(&runs[i]), n))
		}
	}
	return all
}

// compareWithin reports whether each run compares the same targets.
func compareWithin(runs []loadtest.Run) bool {
	first := slices.Sorted(slices.Values(names(&runs[0])))
	return len(first) > 1 && !slices.ContainsFunc(runs, func(r loadtest.Run) bool {
		return !slices.Equal(slices.Sorted(slices.Values(names(&r))), first)
	})
}

// scenariosDiffer compares each run with the first of the same scenario. If the
// runs compare within themselves each may be of another.
func scenariosDiffer(runs []loadtest.Run, within bool) (all []string) {
	var known []string
	var first []*loadtest.Run
	for i := range runs {
		b := &runs[i]
		at := slices.Index(known, b.Scenario)
		if at < 0 {
			known, first = append(known, b.Scenario), append(first, b)
			continue
		}
		if parts := loadDiffers(first[at], b); len(parts) > 0 {
			all = append(all, fmt.Sprintf("%s and %s played the scenario differently: %s. What else differs between them may come of that.",
				runName(first[at]), runName(b), strings.Join(parts, "; ")))
		}
	}
	if len(known) > 1 && !within {
		all = append([]string{"Different scenarios were played (" + strings.Join(known, ", ") + "): figures do not compare from one to another."}, all...)
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
	told := []string{"name", "title", "about"} // and these play nothing
	tell := func(section, text string) {
		parts, told = append(parts, text), append(told, section)
	}
	if a.Seed != b.Seed {
		tell("seed", fmt.Sprintf("seed %d, %d", a.Seed, b.Seed))
	}
	for i := range max(len(a.Phases), len(b.Phases)) {
		if one, two := phaseText(a.Phases, i), phaseText(b.Phases, i); one != two {
			tell("phases", fmt.Sprintf("phase %d is %s, %s", i+1, one, two))
		}
	}
	if !slices.Equal(asked(a), asked(b)) {
		tell("objectives", "other objectives")
	}
	if differ := fileDiffers(a.Source, b.Source, told...); len(differ) > 0 {
		parts = append(parts, "the scenario's file differs in "+strings.Join(differ, ", "))
	}
	return parts
}

func phaseText(phases []loadtest.Phase, i int) string {
	if i >= len(phases) {
		return "not there"
	}
	p := phases[i]
	text := fmt.Sprintf("%s: %s for %s", p.Name, p.Rate, chart.Seconds(p.Until-p.From))
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
