// Package report (loadtest/report) draws what a load test's users got, for a
// reader with a minute: the verdict, the objectives, then charts under one time
// axis, then the figures. The page is one file that needs neither network nor
// JavaScript.
//
//	runs → columns (one a target) → page → HTML or Markdown
package report

import (
	"embed"
	"fmt"
	html "html/template"
	"io"
	text "text/template"

	"captchagate/chart"
	"captchagate/loadtest"
)

//go:embed template
var files embed.FS

// HTML writes runs as one self-contained page. Several runs, or several targets
// in one, are compared: one table of objectives on top, charts on the same
// scales side by side. The error is that of w.
func HTML(w io.Writer, runs ...loadtest.Run) error {
	t, err := html.New("page.html").Funcs(html.FuncMap(helpers())).ParseFS(files, "template/page.html", "template/tables.html", "template/style.css")
	if err == nil {
		err = t.Execute(w, newPage(runs))
	}
	if err != nil {
		return fmt.Errorf("writing the report's page: %w", err)
	}
	return nil
}

// Markdown writes the same verdict, objectives, outages and phases for a pull
// request. The error is that of w.
func Markdown(w io.Writer, runs ...loadtest.Run) error {
	functions := text.FuncMap(helpers())
	functions["md"] = markdown
	t, err := text.New("report.md").Funcs(functions).ParseFS(files, "template/report.md")
	if err == nil {
		err = t.Execute(w, newPage(runs))
	}
	if err != nil {
		return fmt.Errorf("writing the report as Markdown: %w", err)
	}
	return nil
}

// helpers are what the templates call: they write figures for people.
func helpers() map[string]any {
	return map[string]any{
		"count": chart.Count[int], "calls": chart.Count[int64], "orNever": orNever,
		"percent": chart.Percent, "ms": chart.Millis, "s": chart.Seconds, "clock": chart.Clock, "rate": chart.Rate,
		"label": label, "kind": kind, "chartStyle": chart.Style, "chartPatterns": chart.Patterns,
	}
}
