package admin

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"captchagate/api"
	"captchagate/chart"
	"captchagate/watch"
)

// WriteIncidents writes outages for people, a line each.
func WriteIncidents(w io.Writer, list []watch.Incident) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No outage is kept.")
		return err
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, i := range list {
		lasted := "goes on"
		if i.Ended != nil {
			lasted = exactly(i.Ended.Sub(i.Began))
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", clock(i.Began), lasted, api.Printable(i.ID), gotText(i), api.Printable(i.Evidence))
	}
	return out.Flush()
}

// gotText says what users got in an incident, in short.
func gotText(i watch.Incident) string {
	all := totalOf(i.Scenes)
	var parts []string
	for _, one := range []struct {
		count int64
		text  string
	}{{all.Verified, "verified"}, {all.LetThrough, "let through"}, {all.Solved, "solved"}, {all.Challenged, "challenged"}, {all.Denied, "denied"}} {
		if one.count > 0 {
			parts = append(parts, chart.Count(one.count)+" "+one.text)
		}
	}
	return strings.Join(parts, ", ")
}
