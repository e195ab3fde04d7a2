// Package chart draws what happened over time as SVG, on the server: stacked
// areas, latencies, states and events. A page that shows charts needs no script.
//
//	axis → chart → HTML
//
// Charts of one [Axis] can stand above each other or side by side. Their looks
// are [Style], which goes into the page once, as [Patterns] does.
package chart

import (
	"embed"
	"html/template"
	"strings"
)

// width is the charts' inner width: paths are drawn in it and stretched to the
// page, while text and marks are placed in percent and keep their size.
const width = 1000.0

// A Chart is one drawing. Make it with Areas, Latencies or States.
type Chart struct {
	Name        string
	Description string // what it shows, for those who cannot see it

	drawing drawing
}

// A drawing is what the template makes SVG of.
type drawing struct {
	Name, Description string
	Height            int // pixels
	Shades, Hovers    []box
	Grid              []tick // At is in pixels from the top
	Times             []tick // At is in percent
	Keys              []key
	Paths             []path
	Bands             []bands
	Marks             []mark
}

type key struct {
	Class, Label string
	Line         bool // and not an area
}

type path struct{ Class, D string }

type tick struct{ At, Text string }

//go:embed template
var files embed.FS

var templates = template.Must(template.ParseFS(files, "template/*.html"))

// HTML returns the chart as a figure element. It escapes all texts.
func (c Chart) HTML() (template.HTML, error) {
	c.drawing.Name, c.drawing.Description = c.Name, c.Description
	return execute("chart", c.drawing)
}

// Style returns the style sheet of all charts, in light and dark. The page
// defines its colours: --ink and --soft of text, --card behind the charts, --bad
// of harm.
func Style() (template.CSS, error) {
	text, err := files.ReadFile("template/chart.css")
	return template.CSS(text), err //nolint:gosec // it is ours
}

// Patterns returns the fills that the style sheet refers to. A page has them
// once, anywhere.
func Patterns() (template.HTML, error) { return execute("patterns", nil) }

func execute(name string, values any) (template.HTML, error) {
	var b strings.Builder
	err := templates.ExecuteTemplate(&b, name, values)
	return template.HTML(b.String()), err //nolint:gosec // the template has escaped it
}
