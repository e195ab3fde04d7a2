package report_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"captchagate/loadtest"
	"captchagate/loadtest/report"
)

var update = flag.Bool("update", false, "write the golden files anew; look at them before you commit")

type story struct {
	name string
	runs []loadtest.Run
}

func stories() []story {
	return []story{
		{"passed", []loadtest.Run{hang()}},
		{"missed", []loadtest.Run{missedRun()}},
		{"fleet", []loadtest.Run{fleet()}},
		{"shadow", []loadtest.Run{inShadow()}},
		{"early", []loadtest.Run{endedEarly()}},
		{"targets", []loadtest.Run{comparison()}},
		{"runs", []loadtest.Run{hang(), missedRun()}},
		{"empty", []loadtest.Run{nothing()}},
		{"none", nil},
		{"hostile", []loadtest.Run{hostile()}},
	}
}

func render(t *testing.T, write func(io.Writer, ...loadtest.Run) error, runs []loadtest.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, runs...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReport_IsAsItWasLookedAt(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			golden(t, s.name+".html", render(t, report.HTML, s.runs))
			golden(t, s.name+".md", render(t, report.Markdown, s.runs))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was; look at it and run the test with -update\n%s", name, difference(got, string(want)))
	}
}

// difference is the first line that differs.
func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "got:  " + a[i] + "\nwant: " + b[i]
		}
	}
	return "one ends before the other"
}

// The page must open from a disk without network: nothing may fetch, nor run.
func TestHTML_FetchesAndRunsNothing(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			page := render(t, report.HTML, s.runs)
			for z := html.NewTokenizer(strings.NewReader(page)); ; {
				kind := z.Next()
				if kind == html.ErrorToken {
					break
				}
				if token := z.Token(); kind == html.StartTagToken || kind == html.SelfClosingTagToken {
					inspect(t, token)
				}
			}
			_, rest, _ := strings.Cut(page, "<style>")
			style, _, _ := strings.Cut(rest, "</style>")
			if strings.Contains(style, "@import") || strings.Count(style, "url(") != strings.Count(style, "url(#") {
				t.Error("the style fetches something")
			}
		})
	}
}

func inspect(t *testing.T, token html.Token) {
	t.Helper()
	switch token.Data {
	case "script", "img", "link", "iframe", "object", "embed", "image", "use", "base", "a":
		t.Errorf("the page has %s", token)
	}
	for _, a := range token.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" || a.Key == "style" {
			t.Errorf("the page has %s", token)
		}
	}
}

// A parser of HTML mends what it reads; so tags are counted here.
func TestHTML_ClosesWhatItOpens(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			var open []string
			for z := html.NewTokenizer(strings.NewReader(render(t, report.HTML, s.runs))); ; {
				kind := z.Next()
				if kind == html.ErrorToken {
					break
				}
				token := z.Token()
				switch {
				case kind == html.StartTagToken && token.Data != "meta":
					open = append(open, token.Data)
				case kind == html.EndTagToken:
					if len(open) == 0 || open[len(open)-1] != token.Data {
						t.Fatalf("</%s> closes none of %v", token.Data, open)
					}
					open = open[:len(open)-1]
				}
			}
			if len(open) > 0 {
				t.Errorf("never closed: %v", open)
			}
		})
	}
}

func TestHTML_OfALongRunStaysSmall(t *testing.T) {
	run := hang()
	for len(run.Targets[0].Series) < 4*3600 {
		run.Targets[0].Series = append(run.Targets[0].Series, gateway().Series...)
	}
	run.Seconds = loadtest.SlotSeconds * float64(len(run.Targets[0].Series))
	if size := len(render(t, report.HTML, []loadtest.Run{run})); size > 500_000 {
		t.Errorf("an hour takes %d bytes", size)
	}
}

func TestReport_OpensWithTheVerdict(t *testing.T) {
	unkept := hang()
	unkept.Passed, unkept.Targets[0].Kept = false, loadtest.Kept{Why: "the machine was busy"}
	stoppedLate := endedEarly()
	stoppedLate.Targets[0].Kept = unkept.Targets[0].Kept
	almost := hang()
	almost.Targets[0].Total.Useful = 99.9999
	long := missedRun()
	t0 := &long.Targets[0]
	t0.Outages = append([]loadtest.Outage{{From: 1, Until: 2, Useful: 50, P99: 6000, NormalAfter: -1}}, t0.Outages...)
	t0.Outages[1].NormalAfter = 3
	toTheEnd := missedRun()
	toTheEnd.Targets[0].Outages[0].Until = 38
	calm := missedRun()
	calm.Targets[0].Outages = nil
	both := endedEarly()
	both.Targets = append(both.Targets, both.Targets[0])
	for name, c := range map[string]struct {
		runs []loadtest.Run
		says string
	}{
		"one of two stopped":          {[]loadtest.Run{hang(), endedEarly()}, "## ⚠ 1 of 2 passed, 1 stopped early – "},
		"both stopped":                {[]loadtest.Run{endedEarly(), endedEarly()}, "## ⚠ All 2 stopped early – "},
		"one sent late":               {[]loadtest.Run{hang(), unkept}, "## ⚠ 1 of 2 passed, 1 did not keep the rate – "},
		"both sent late, one stopped": {[]loadtest.Run{unkept, stoppedLate}, "## ⚠ 0 of 2 passed, 1 stopped early, 2 did not keep the rate – "},
		"one missed":                  {[]loadtest.Run{hang(), endedEarly(), missedRun()}, "## ✗ 1 of 3 passed, 1 stopped early – "},
	} {
		if got := render(t, report.Markdown, c.runs); !strings.HasPrefix(got, c.says) {
			t.Errorf("%s: it is headed %.80s, want %s", name, got, c.says)
		}
	}
	for _, c := range []struct {
		name string
		run  loadtest.Run
		says []string
	}{
		{"passed", hang(), []string{"✓ Passed – played: The Captcha API takes every call and never answers\n", "verified 42.25\u202f%, let through 0\u202f%, challenged 51.97\u202f%, denied 0\u202f%, rightly rejected 5.77\u202f%. 100\u202f% got a useful answer", "within 136\u202fms", "normal again 10.7\u202fs after it"}},
		{"missed", missedRun(), []string{"✗ Missed 3 of 3 objectives", "240 got a wrong one", "in the outage 0\u202f% did, 99 in 100 were over, useful or not, within 5.01\u202fs", "normal service did not return within the 17\u202fs that were watched after it", "| not within 15\u202fs | not told |", "| not within 17\u202fs |"}},
		{"quick errors are no service", calm, []string{"61.49\u202f% got a useful answer and 240 got a wrong one; 99 in 100 were over, useful or not, within 5.01\u202fs, the slowest after 5.03\u202fs."}},
		{"an outage soon after another", long, []string{"in the worst of 2 outages 0\u202f% did", "did not return within the 4\u202fs that were watched after outage 1", "| not within 4\u202fs |"}},
		{"an outage to the end", toTheEnd, []string{"the run ended before the outage did", "| not watched |"}},
		{"ended early", endedEarly(), []string{
			"## ⚠ Stopped early, after 15 s of 38 s, in outage (phase 2 of 3) – played: The Captcha API takes every call", "the run ended before the outage did",
			"2 of 4 objectives had no time to show; missed whatever the rest had shown: 1.",
			"| opens after &lt;= 100ms | 200ms | ✗ |", "| useful &gt;= 100% | 100% so far | not judged |",
			"| 14 | not seen (stopped early) | not seen (stopped early) |",
		}},
		{"two targets ended early", both, []string{"## ⚠ Stopped early, after 15 s of 38 s, in outage (phase 2 of 3) – played: The Captcha API takes every call", "not judged: 100% so far"}},
		{"rate not kept", unkept, []string{"⚠ Rate not kept: proves nothing – ", "\n\nThe load test did not keep its rate, so its figures prove nothing: the machine was busy. Of "}},
		{"nothing sent", nothing(), []string{"⚠ Nothing was sent"}},
		{"two targets", comparison(), []string{"✗ 1 of 2 passed"}},
		{"almost all is not all", almost, []string{"&gt;\u202f99.99\u202f% got a useful answer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, report.Markdown, []loadtest.Run{c.run})
			for _, want := range c.says {
				if !strings.Contains(got, want) {
					t.Errorf("it does not say %q:\n%s", want, got[:min(len(got), 900)])
				}
			}
		})
	}
}

// Where the slowest and p99 are one its dots lie over the line, in a colour of their own.
func TestHTML_ShowsTheSlowest(t *testing.T) {
	page := render(t, report.HTML, []loadtest.Run{hang()})
	p99, slowest := strings.Index(page, `<path class="line p99" d="M3.3 `), strings.Index(page, `<path class="line max" d="M3.3 `)
	if p99 < 0 || slowest < p99 {
		t.Errorf("p99 is drawn at %d of the page, the slowest at %d", p99, slowest)
	}
	for _, line := range regexp.MustCompile(`--p99: (#\w+); --max: (#\w+);`).FindAllStringSubmatch(page, -1) {
		if line[1] == line[2] {
			t.Errorf("both are %s", line[1])
		}
	}
}

// Who compares has named runs by their files, and finds them by those again.
func TestReport_NamesRunsByFile(t *testing.T) {
	before, after := hang(), unlike()
	before.File, after.File = "before.json", "after.json, run 2"
	for _, write := range []func(io.Writer, ...loadtest.Run) error{report.HTML, report.Markdown} {
		got := render(t, write, []loadtest.Run{before, after})
		for _, want := range []string{"captchagate · before.json", "captchagate · after.json, run 2", "after.json, run 2 was stopped early"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is missing", want)
			}
		}
	}
}

func TestMarkdown_KeepsOthersTextInItsCell(t *testing.T) {
	got := render(t, report.Markdown, []loadtest.Run{hostile()})
	for _, bad := range []string{"<script", "<img", "\n# ", "@all", "[a]("} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is markup in it", bad)
		}
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestReport_TellsThatItCouldNotBeWritten(t *testing.T) {
	if err := report.HTML(fullDisk{}, hang()); !errors.Is(err, errFull) {
		t.Errorf("HTML: %v", err)
	}
	if err := report.Markdown(fullDisk{}, hang()); !errors.Is(err, errFull) {
		t.Errorf("Markdown: %v", err)
	}
}

// Forty sentences are read by nobody: many runs begin with a table instead.
func TestReport_TellsManyInATable(t *testing.T) {
	var many []loadtest.Run
	for i := range 4 {
		one := comparison()
		one.Scenario, one.Began = fmt.Sprint("kind-", i), one.Began.Add(time.Duration(i)*time.Minute)
		many = append(many, one)
	}
	var page, text bytes.Buffer
	if err := errors.Join(report.HTML(&page, many...), report.Markdown(&text, many...)); err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]string{"the page": page.String(), "Markdown": text.String()} {
		if strings.Contains(got, "got a useful answer") {
			t.Errorf("%s has a sentence for each", what)
		}
	}
	if n := strings.Count(page.String(), `id="outages"`); n != 1 || strings.Index(page.String(), `id="outages"`) > strings.Index(page.String(), `id="objectives"`) {
		t.Errorf("the outages stand there %d times, want once and first", n)
	}
	for _, row := range []string{"<tr><th scope=\"row\">captchagate · kind-3", "| captchagate · kind-3"} {
		if !strings.Contains(page.String()+text.String(), row) {
			t.Errorf("no row of objectives begins with %s", row)
		}
	}
}
