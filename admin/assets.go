package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/chart"
)

// pageFiles are the dashboard's: templates, style and script. Nothing is built, and nothing
// comes from another host.
//
//go:embed page
var pageFiles embed.FS

// An asset is what a page loads besides itself. Its address changes with what it holds.
type asset struct {
	kind string
	text []byte
	name string // with the version
}

// ours are the dashboard's assets, by their path.
var ours = map[string]*asset{
	"/dashboard.css": newAsset("dashboard.css", "text/css; charset=utf-8", chartStyle()),
	"/dashboard.js":  newAsset("dashboard.js", "text/javascript; charset=utf-8", ""),
	"/icon.svg":      newAsset("icon.svg", "image/svg+xml", ""),
}

// newAsset reads a file, which is part of the program, and puts it behind a beginning.
func newAsset(path, kind, beginning string) *asset {
	text := append([]byte(beginning), must(pageFiles.ReadFile("page/"+path))...)
	sum := sha256.Sum256(text)
	return &asset{kind, text, path + "?v=" + hex.EncodeToString(sum[:6])}
}

func chartStyle() string { return string(must(chart.Style())) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// serve answers with an asset. It holds nothing that only operators may see.
func (a *asset) serve(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("Content-Type", a.kind)
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, bytes.NewReader(a.text))
}

// pagePolicy lets a page load and send what is ours, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// pages are the templates, which can name an asset.
var pages = template.Must(template.New("").Funcs(pageWords).Funcs(template.FuncMap{
	"asset": func(path string) string { return ours["/"+path].name },
}).ParseFS(pageFiles, "page/*.html"))

// render answers with a page.
func (s *Server) render(c *gin.Context, status int, name string, values any) {
	text, err := page(name, values)
	if err != nil {
		s.cannotRender(c, name, err)
		return
	}
	sendPage(c, status, text)
}

func page(name string, values any) ([]byte, error) {
	var text bytes.Buffer
	err := pages.ExecuteTemplate(&text, name, values)
	return text.Bytes(), err
}

func (s *Server) cannotRender(c *gin.Context, name string, err error) {
	s.log.Error("a page of the dashboard cannot be made", "page", name, "error", err)
	refuse(c, http.StatusInternalServerError, "the page cannot be made; the gateway's log says more")
}

func sendPage(c *gin.Context, status int, text []byte) {
	c.Header("Content-Security-Policy", pagePolicy)
	c.Header("X-Frame-Options", "DENY")
	c.Header("Referrer-Policy", "same-origin")
	c.Header("Vary", "Cookie, Authorization")
	c.Data(status, "text/html; charset=utf-8", text)
}
