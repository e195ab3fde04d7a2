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
	"strings"
	text "text/template"

	"captchagate/loadtest"
)

//go:embed template
var files embed.FS

// HTML writes runs as one self-contained page. Several runs, or several targets
// in one, are compared: one table of objectives on top, charts on the same
// scales side by side. The error is that of w.
func HTML(w io.Writer, runs ...loadtest.Run) error {
	t, err := html.New("page.html").Funcs(html.FuncMap(helpers())).ParseFS(files, "template/page.html", "template/chart.html", "template/tables.html", "template/style.css")
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
	functions["degraded"] = func(a loadtest.Answers) string { return count(a.Allowed + a.Challenged + a.Denied) }
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
		"count": count[int], "calls": count[int64], "orNever": orNever,
		"percent": percent, "ms": millis, "s": seconds, "clock": clock, "rate": rate,
		"label": label, "kind": kind,
	}
}

// markdown keeps what others wrote from being markup, a mention or a new row.
func markdown(s string) string {
	lines := func(r rune) bool {
		return r == '\n' || r == '\r' || r == '\t' || r == '\v' || r == '\f' || r == '\u2028' || r == '\u2029'
	}
	s = strings.Join(strings.FieldsFunc(s, lines), " ")
	pairs := []string{"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;", "#", "&#35;", "://", "&#58;//"}
	for _, c := range "\\`*_[]|~!" {
		pairs = append(pairs, string(c), "\\"+string(c))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}
