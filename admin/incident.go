package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	htmltemplate "html/template"
	"io"
	"net/http"
	"strings"
	"text/template"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/chart"
)

// storyFiles are the forms of an incident's story.
//
//go:embed story
var storyFiles embed.FS

var (
	storyStyle = must(storyFiles.ReadFile("story/incident.css"))
	storyWords = map[string]any{"count": chart.Count[int64], "plain": plainMarkdown, "style": func() htmltemplate.CSS { return htmltemplate.CSS(storyStyle) }} //nolint:gosec // it is ours
	storyPage  = htmltemplate.Must(htmltemplate.New("incident.html").Funcs(storyWords).ParseFS(storyFiles, "story/incident.html"))
	storyText  = template.Must(template.New("incident.md").Funcs(storyWords).ParseFS(storyFiles, "story/incident.md"))
)

// storyPolicy lets the page have its own style and nothing else.
var storyPolicy = func() string {
	sum := sha256.Sum256(storyStyle)
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// The forms of an incident, the usual one first.
const (
	asJSON     = "application/json"
	asMarkdown = "text/markdown"
	asHTML     = "text/html"
)

// getIncident tells one outage, in the form that the caller prefers.
func (s *Server) getIncident(c *gin.Context) {
	c.Header("Vary", "Accept")
	form := preferred(strings.Join(c.Request.Header.Values("Accept"), ","), asJSON, asMarkdown, asHTML)
	if form == "" {
		refuse(c, http.StatusNotAcceptable, "an incident is there as "+asJSON+", "+asMarkdown+" and "+asHTML)
		return
	}
	i, ok := s.views.Incident(c.Param("id"))
	if !ok {
		refuse(c, http.StatusNotFound, "there is no incident of this id; GET /admin/v1/incidents lists those that are kept")
		return
	}
	switch form {
	case asMarkdown:
		tell(c, asMarkdown, storyText, newStory(i, s.forcedNormal(c.Request.Context(), i)))
	case asHTML:
		c.Header("Content-Security-Policy", storyPolicy)
		tell(c, asHTML, storyPage, newStory(i, s.forcedNormal(c.Request.Context(), i)))
	default:
		answer(c, i)
	}
}

// tell answers with a story.
func tell(c *gin.Context, form string, by interface {
	Execute(w io.Writer, data any) error
}, s story) {
	var text bytes.Buffer
	if err := by.Execute(&text, s); err != nil {
		refuse(c, http.StatusInternalServerError, "the incident could not be written as "+form)
		return
	}
	c.Data(http.StatusOK, form+"; charset=utf-8", text.Bytes())
}

// plainMarkdown is text that means nothing to Markdown, HTML or a terminal.
func plainMarkdown(text string) string {
	return markdownSigns.Replace(api.Printable(text))
}

var markdownSigns = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `|`, `\|`, `#`, `\#`, `<`, `&lt;`, `&`, `&amp;`)
