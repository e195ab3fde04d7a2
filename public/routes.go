package public

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"captchagate/api"
)

// Handler serves everything that backends and pages ask for: client what pages
// load, under /client/, and beside whatever else is served, at a path such as
// /demo or, where that ends in a slash, also below it.
func (s *Server) Handler(client http.Handler, beside map[string]http.Handler) http.Handler {
	r := newEngine()
	r.Use(s.enter, s.guard)
	r.NoRoute(func(c *gin.Context) { refuse(c, http.StatusNotFound, "there is nothing at this path") })
	r.NoMethod(func(c *gin.Context) {
		refuse(c, http.StatusMethodNotAllowed, "this path knows "+c.Writer.Header().Get("Allow")+" only")
	})
	r.POST("/v1/verify", s.certified, s.verify)
	r.POST("/siteverify", s.certified, s.siteverify)
	r.POST(recaptchaPath, s.certified, s.siteverify)
	r.Match(readMethods, "/v1/challenge", s.cors, s.pace, s.pageChallenge)
	r.POST("/v1/client-events", s.cors, s.pace, s.pageEvents)
	r.Match(readMethods, "/v1/mode", s.cors, s.pageMode)
	r.Match(readMethods, "/v1/app", s.cors, s.pageApp)
	r.Match(readMethods, "/client/*file", gin.WrapH(client))
	r.Match(readMethods, "/openapi.yaml", func(c *gin.Context) { c.Data(http.StatusOK, "application/yaml", api.OpenAPI) })
	r.Match(readMethods, "/docs", func(c *gin.Context) { c.Redirect(http.StatusPermanentRedirect, "docs/") })
	r.Match(readMethods, "/docs/", docs("index.html", "text/html; charset=utf-8"))
	r.Match(readMethods, "/docs/docs.css", docs("docs.css", "text/css; charset=utf-8"))
	if s.dropIn != nil {
		beside = s.dropIn.mount(r, beside)
	}
	for path, h := range beside {
		if path != "/" && strings.HasSuffix(path, "/") {
			path += "*rest"
		}
		r.Any(path, gin.WrapH(h))
	}
	r.Match(readMethods, "/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	r.Match(readMethods, "/readyz", s.ready)
	return r
}

// Doors are the paths at which users are decided about.
func (s *Server) Doors() []string {
	doors := []string{"/v1/verify", "/siteverify", recaptchaPath}
	if s.dropIn != nil {
		doors = append(doors, "/")
	}
	return doors
}

// certified lets backends on that showed a certificate, where they need one. Whether it
// is of the right authority was seen to when they connected, and is looked at again.
func (s *Server) certified(c *gin.Context) {
	if s.cfg.Certified && (c.Request.TLS == nil || len(c.Request.TLS.VerifiedChains) == 0) {
		refuse(c, http.StatusForbidden, "backends need a client certificate here, and this connection came without one; show one of an authority in tls.client_ca")
	}
}

// readMethods are the methods of what is read: load balancers ask with HEAD.
var readMethods = []string{http.MethodGet, http.MethodHead}

// newEngine returns Gin without its own logger, redirects and trust in headers.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	_ = r.SetTrustedProxies(nil) // an empty list cannot be wrong
	return r
}

// refuse ends the request with a problem.
func refuse(c *gin.Context, status int, detail string, mistakes ...api.Mistake) {
	c.Abort()
	c.Set(detailKey, detail)
	if len(mistakes) > 0 {
		c.Set(fieldsKey, fieldsOf(mistakes))
	}
	api.Refuse(c.Writer, status, detail, mistakes...)
}

// What every answer says; the slices are shared and never changed.
var (
	noSniff  = []string{"nosniff"}
	noStore  = []string{"no-store"}
	jsonType = []string{"application/json"}
)

// maxRequestID is how long an X-Request-Id may be that is taken over, in bytes.
const maxRequestID = 64

// enter names the request and counts what is refused.
func (s *Server) enter(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !isRequestID(id) {
		id = newRequestID()
	}
	h := c.Writer.Header()
	h["X-Request-Id"], h["X-Content-Type-Options"], h["Cache-Control"] = []string{id}, noSniff, noStore
	c.Next()
	status := cmp.Or(c.GetInt(statusKey), c.Writer.Status())
	s.refused(c, status)
	if s.log.Enabled(c.Request.Context(), slog.LevelDebug) {
		s.log.DebugContext(c.Request.Context(), "request", "id", id, "route", c.FullPath(), "status", status)
	}
}

// newRequestID is a name for a request. It tells nothing, unlike a number that
// grows, which would tell every page how busy the gateway is.
func newRequestID() string { return strconv.FormatUint(rand.Uint64(), 36) }

// guard turns a panic into an answer.
func (s *Server) guard(c *gin.Context) {
	if !api.Guard(c.Writer, c.FullPath(), s.log, c.Next) {
		c.Abort()
	}
}

// docs serves a file of the contract's page, which needs its style and nothing else.
func docs(file, kind string) gin.HandlerFunc {
	text, err := api.Docs.ReadFile("docs/" + file)
	if err != nil {
		panic(err) // it is part of the program
	}
	return func(c *gin.Context) {
		c.Header("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		c.Data(http.StatusOK, kind, text)
	}
}

// ready says whether requests should come here. The Captcha API's health does
// not matter: standing in for it is what the gateway is for.
func (s *Server) ready(c *gin.Context) {
	if s.draining.Load() {
		refuse(c, http.StatusServiceUnavailable, "the gateway is shutting down")
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "ready"})
}

// plainHeader reports whether a header's value is printable ASCII of 1 to most
// bytes.
func plainHeader(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
