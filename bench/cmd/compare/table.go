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
	Met    bool    `json:"met"`
}

// most and least are targets of the ratio; no target is always met.
func (r row) most(ratio float64) row {
	r.Target, r.Met = "≤ "+text(ratio), r.Ratio <= ratio
	return r
}

func (r row) least(ratio float64) row {
	r.Target, r.Met = "≥ "+text(ratio), r.Ratio >= ratio
	return r
}

func text(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// printTable writes the rows as Markdown and returns how many targets were
// missed.
func printTable(w io.Writer, rows []row) (missed int) {
	fmt.Fprintln(w, "| row | what | ours | theirs | ratio | rounds' ratios | target | |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---|---|---|")
	for _, r := range rows {
		mark := ""
		if r.Target != "" {
			mark = "met"
			if !r.Met {
				mark = "missed"
				missed++
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s %s | %s | %.2f | %.2f–%.2f | %s | %s |\n",
			r.ID, r.What, short(r.Ours), r.Unit, short(r.Theirs), r.Ratio, r.Low, r.High, r.Target, mark)
	}
	return missed
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
