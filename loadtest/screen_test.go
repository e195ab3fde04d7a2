package loadtest_test

import (
	"strings"
	"testing"
	"time"

	"captchagate/chart"
	"captchagate/loadtest"
)

func progress(at time.Duration, phase string) loadtest.Progress {
	return loadtest.Progress{
		At: at, Length: 10 * time.Second, Phase: phase, Rate: "300/s", Fault: "hang",
		Targets: []loadtest.TargetProgress{{
			Answers: loadtest.Answers{Verified: 5, Rejected: 1, Allowed: 2, Challenged: 3, Denied: 4}, P99: 27.4, Circuit: "open",
		}},
	}
}

func shown(terminal bool, when ...loadtest.Progress) string {
	var b strings.Builder
	s := loadtest.NewScreen(&b, terminal)
	for _, p := range when {
		s.Show(p)
	}
	s.End()
	return b.String()
}

// A log wants a line now and then and at each turn, not five a second.
func TestScreen_WritesPlainLinesWhereNobodyDraws(t *testing.T) {
	got := shown(false, progress(0, "healthy"), progress(time.Second, "healthy"), progress(2*time.Second, "outage"),
		progress(3*time.Second, "outage"), progress(8*time.Second, "outage"))
	const rest = " 300/s, API: hang | verified 5, let through 2, challenged 3, denied 4, rejected 1, p99 27 ms, circuit open\n"
	want := " 0.0s/10s  healthy" + rest + " 2.0s/10s  outage" + rest + " 8.0s/10s  outage" + rest
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestScreen_DrawsOneLineOnATerminal(t *testing.T) {
	got := shown(true, progress(0, "healthy"), progress(5*time.Second, "outage"), progress(11*time.Second, "outage"))
	if strings.Contains(got, "\n") || strings.Count(got, "\r\x1b[K") != 4 {
		t.Errorf("it is not drawn over: %q", got)
	}
	for _, bar := range []string{strings.Repeat("░", 24), strings.Repeat("█", 12) + strings.Repeat("░", 12) + " ", strings.Repeat("█", 24) + " "} {
		if !strings.Contains(got, bar) {
			t.Errorf("there is no bar %s in %q", bar, got)
		}
	}
}

func TestScreen_TellsTargetsApartAndWhatWentWrong(t *testing.T) {
	p := progress(time.Second, "healthy")
	p.Targets[0].Name, p.Targets[0].Answers.Wrong = "ours", 1
	p.Targets = append(p.Targets, loadtest.TargetProgress{Name: "theirs"})
	got := shown(false, p)
	for _, want := range []string{"ours: verified 5", "failed 0, wrong 1", "theirs: verified 0, let through 0, challenged 0, denied 0, rejected 0, p99 0 ms\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not tell %q", got, want)
		}
	}
}

func TestSummarize_NamesWhatWasMissed(t *testing.T) {
	var b strings.Builder
	loadtest.Summarize(&b, loadtest.Told(read(t, outage), story(), 4*time.Second))
	for _, want := range []string{
		"\nSTOPPED EARLY, after 4 s of 10 s, in away (phase 2 of 3)", "MISSED      useful >= 100%",
		"met         opens after <= 500ms", "not judged  normal after recovery <= 2s",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary does not tell %q:\n%s", want, b.String())
		}
	}
}

// What became of users comes before how many answers were useful, and that the
// figures prove nothing before any of them.
func TestSummarize_BeginsWithWhatCounts(t *testing.T) {
	run := loadtest.Told(read(t, outage), story(), 4*time.Second)
	run.Targets[0].Kept.OK, run.Targets[0].Kept.Why = false, "the machine is too busy"
	var b strings.Builder
	loadtest.Summarize(&b, run)
	// as the report writes them: cut, and never rounded up to all
	if want := "useful " + chart.Percent(run.Targets[0].Total.Useful) + ","; !strings.Contains(b.String(), want) {
		t.Errorf("the summary does not tell %q", want)
	}
	rest := b.String()
	for _, next := range []string{"RATE NOT KEPT, so what follows proves nothing: the machine is too busy", "verified ", "let through ", "challenged ", "denied ", "useful ", "MISSED"} {
		_, after, found := strings.Cut(rest, next)
		if !found {
			t.Fatalf("%q does not come next in\n%s", next, b.String())
		}
		rest = after
	}
}
