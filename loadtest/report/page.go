package report

import (
	"slices"

	"captchagate/chart"
	"captchagate/loadtest"
)

// A page is what the templates draw.
type page struct {
	Title      string
	Verdict    string   // passed, missed, early, busy, empty: also a class
	Headline   string   // in one or two words
	Warnings   []string // why the columns may not compare
	Columns    []column
	Objectives []row
	Runs       []loadtest.Run
	Compares   bool // several columns
	Many       bool // too many for a sentence each: a table says it at the top
	Fleet      bool // a column has instances or a Redis to tell of
	Shadow     bool // a column is a gateway in shadow
}

// maxSentences can be read one after the other.
const maxSentences = 6

// A column is one target in one run.
type column struct {
	Name     string
	Run      *loadtest.Run
	Target   *loadtest.Target
	Verdict  string
	Headline string
	Sentence string
	Phases   []phaseRow
	Outages  []outageRow
	Members  []memberRow
	Axis     chart.Axis
	Charts   []chart.Chart
}

// A row is one objective, with what each column found.
type row struct {
	Text  string
	Cells []*loadtest.Objective // nil if that run did not ask for it
}

// A phaseRow is a phase with its target's tally.
type phaseRow struct {
	loadtest.Phase
	loadtest.Tally
}

// An outageRow is an outage with its waits in words.
type outageRow struct {
	loadtest.Outage
	Fast, Open, Verified, Normal string
}

func newPage(runs []loadtest.Run) page {
	p := page{Runs: runs, Warnings: Warnings(runs...)}
	for i := range runs {
		for j := range runs[i].Targets {
			p.Columns = append(p.Columns, newColumn(&runs[i], &runs[i].Targets[j], len(runs) > 1))
		}
	}
	p.Compares, p.Many = len(p.Columns) > 1, len(p.Columns) > maxSentences
	p.Fleet = slices.ContainsFunc(p.Columns, func(c column) bool { return len(c.Members) > 0 })
	p.Shadow = slices.ContainsFunc(p.Columns, func(c column) bool { return c.Target.Total.Shadow != nil })
	p.Objectives = objectives(p.Columns)
	p.Title = title(runs)
	p.Verdict, p.Headline = overall(p.Columns)
	addCharts(p.Columns)
	return p
}

func newColumn(run *loadtest.Run, target *loadtest.Target, several bool) column {
	c := column{Name: target.Name, Run: run, Target: target}
	if several {
		c.Name = target.Name + " · " + runName(run)
	}
	for i, ph := range run.Phases {
		if i < len(target.Phases) {
			c.Phases = append(c.Phases, phaseRow{ph, target.Phases[i]})
		}
	}
	for i := range target.Outages {
		c.Outages = append(c.Outages, newOutageRow(run, target, i))
	}
	c.Members = memberRows(target)
	c.Verdict, c.Headline = judge(run, target)
	c.Sentence = sentence(run, target)
	return c
}

// newOutageRow puts waits in words: of what did not come it says how long it was
// watched for, but for what the end of a stopped run cut off nobody knows.
func newOutageRow(run *loadtest.Run, t *loadtest.Target, i int) outageRow {
	o := t.Outages[i]
	wait := func(came, watched float64, cut bool) string {
		switch {
		case came >= 0:
			return chart.Seconds(came)
		case run.EndedEarly && cut:
			return "not seen (stopped early)"
		}
		return notWithin(watched)
	}
	cut, last := o.Until >= run.Seconds, i+1 == len(t.Outages)
	inIt, behind := o.Until-o.From, loadtest.WatchedAfter(t.Outages, i, run.Seconds)
	r := outageRow{o, wait(o.FastAfter, inIt, cut), wait(o.OpenAfter, inIt, cut), wait(o.VerifiedAfter, behind, last), wait(o.NormalAfter, behind, last)}
	if len(t.Mode) == 0 {
		r.Open = "not told"
	}
	return r
}

func notWithin(watched float64) string {
	if watched <= 0 {
		return "not watched"
	}
	return "not within " + chart.Seconds(watched)
}

// title is that of the runs if they played the same.
func title(runs []loadtest.Run) string {
	if len(runs) == 0 {
		return "No run"
	}
	for _, r := range runs[1:] {
		if r.Title != runs[0].Title {
			return "Runs compared"
		}
	}
	if runs[0].Title == "" {
		return runs[0].Scenario
	}
	return runs[0].Title
}

// objectives are those of all columns, each once, in the order of the first
// that names it.
func objectives(columns []column) []row {
	var rows []row
	for i := range columns {
		found := columns[i].Target.Objectives
		for j := range found {
			at := slices.IndexFunc(rows, func(r row) bool { return r.Text == found[j].Text })
			if at < 0 {
				at = len(rows)
				rows = append(rows, row{Text: found[j].Text, Cells: make([]*loadtest.Objective, len(columns))})
			}
			rows[at].Cells[i] = &found[j]
		}
	}
	return rows
}
