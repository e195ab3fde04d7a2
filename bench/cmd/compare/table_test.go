package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"captchagate/bench/drive"
)

func played(name string, took time.Duration, wrong, requests int) *side {
	return &side{name: name, rounds: []outcome{
		{Result: drive.Result{Requests: requests - 500}, cpu: took * time.Duration(requests-500)},
		{Result: drive.Result{Requests: 500, Wrong: wrong}, cpu: took * 500},
	}}
}

// An answer that is refused at once costs less than a right one: a side that
// gives many must not look the better for it.
func TestCompare_WrongAnswersMissWhateverTheFigure(t *testing.T) {
	for _, c := range []struct {
		name         string
		ours, theirs int // wrong of 1000
		mark         string
	}{
		{"none", 0, 0, "| 0 / 0 | ≤ 0.45 | met |"},
		{"one in a thousand", 1, 1, "| 1 / 1 | ≤ 0.45 | met |"},
		{"ours", 2, 0, "| 2 / 0 | ≤ 0.45 | missed: wrong answers |"},
		{"theirs", 0, 500, "| 0 / 500 | ≤ 0.45 | missed: wrong answers |"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ours, theirs := played("ours", 20*time.Microsecond, c.ours, 1000), played("theirs", 80*time.Microsecond, c.theirs, 1000)
			plain := compare("P1", "CPU", "µs", ours, theirs, outcome.perRequest)
			rows := []row{plain, plain.most(0.45), connections(5000, 2, plain.Wrong)}
			var b strings.Builder
			missed := printTable(&b, rows, options{}.names())
			if !strings.Contains(b.String(), c.mark) {
				t.Errorf("the table does not say %q:\n%s", c.mark, b.String())
			}
			want := 0
			if strings.Contains(c.mark, "missed") {
				want = len(rows)
			}
			if missed != want {
				t.Errorf("%d rows are missed, want %d:\n%s", missed, want, b.String())
			}
		})
	}
}

func TestCompare_AFigureOverItsTargetIsMissed(t *testing.T) {
	ours, theirs := played("ours", 60*time.Microsecond, 0, 1000), played("theirs", 80*time.Microsecond, 0, 1000)
	var b strings.Builder
	if printTable(&b, []row{compare("P1", "CPU", "µs", ours, theirs, outcome.perRequest).most(0.45)}, options{}.names()) != 1 || !strings.Contains(b.String(), "| missed |") {
		t.Errorf("0.75 is no miss of 0.45:\n%s", b.String())
	}
}

func TestCompare_TheJSONHoldsWrongAnswersOfBoth(t *testing.T) {
	r := compare("P1", "CPU", "µs", played("ours", time.Microsecond, 3, 1000), played("theirs", time.Microsecond, 7, 2000), outcome.perRequest)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"wrong":{"ours":{"n":3,"of":1000},"theirs":{"n":7,"of":2000}},"met":false`; !strings.Contains(string(text), want) {
		t.Errorf("%s does not hold %s", text, want)
	}
}
