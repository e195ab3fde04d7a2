package main

import (
	"fmt"
	"io"
	"strconv"
)

// A row is one comparison.
type row struct {
	ID     string  `json:"id"`
	What   string  `json:"what"`
	Unit   string  `json:"unit"`
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs"`
	Ratio  float64 `json:"ratio"` // ours to theirs
	Low    float64 `json:"low"`   // the lowest and the highest ratio of one pair of rounds
	High   float64 `json:"high"`
	Target string  `json:"target,omitempty"` // such as "≤ 0.60"
	Wrong  wrongs  `json:"wrong"`
	Met    bool    `json:"met"` // the target, and hardly an answer was wrong
}

// wrongs are the answers of both sides that were not as wanted. They cost CPU and
// time like any other, so a figure that holds many says nothing.
type wrongs struct {
	Ours   share `json:"ours"`
	Theirs share `json:"theirs"`
}

// A share is how many of all.
type share struct {
	N  int `json:"n"`
	Of int `json:"of"`
}

// wrongMost is how many of a side's answers may be wrong.
const wrongMost = 0.001

func (s share) few() bool { return float64(s.N) <= wrongMost*float64(s.Of) }

func (w wrongs) few() bool { return w.Ours.few() && w.Theirs.few() }

// most and least are targets of the ratio. A row without one is met if hardly
// an answer was wrong.
func (r row) most(ratio float64) row {
	r.Target, r.Met = "≤ "+text(ratio), r.Ratio <= ratio && r.Wrong.few()
	return r
}

func (r row) least(ratio float64) row {
	r.Target, r.Met = "≥ "+text(ratio), r.Ratio >= ratio && r.Wrong.few()
	return r
}

func text(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// printTable writes the rows of the two named as Markdown and returns how many were missed.
func printTable(w io.Writer, rows []row, names [2]string) (missed int) {
	fmt.Fprintf(w, "| row | what | %[1]s | %[2]s | ratio | rounds' ratios | wrong answers, %[1]s / %[2]s | target | |\n", names[0], names[1])
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---|---:|---|---|")
	for _, r := range rows {
		if !r.Met {
			missed++
		}
		fmt.Fprintf(w, "| %s | %s | %s %s | %s | %.2f | %.2f–%.2f | %d / %d | %s | %s |\n",
			r.ID, r.What, short(r.Ours), r.Unit, short(r.Theirs), r.Ratio, r.Low, r.High, r.Wrong.Ours.N, r.Wrong.Theirs.N, r.Target, r.mark())
	}
	return missed
}

func (r row) mark() string {
	switch {
	case !r.Wrong.few():
		return "missed: wrong answers"
	case !r.Met:
		return "missed"
	case r.Target != "":
		return "met"
	}
	return ""
}

// short writes a number with three digits that matter.
func short(f float64) string {
	switch {
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}
