package gateway

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"captchagate/policy"
)

const maxRequestID = 128

// Handler serves backends and pages.
func (g *Gateway) Handler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	_ = r.SetTrustedProxies(nil)
	r.Use(g.enter, g.recovery)
	r.NoRoute(func(c *gin.Context) { refuse(c, http.StatusNotFound, "there is nothing at this path") })
	r.NoMethod(func(c *gin.Context) {
		refuse(c, http.StatusMethodNotAllowed, "this path knows "+c.Writer.Header().Get("Allow")+" only")
	})
	r.POST("/v1/verify", g.verify)
	r.GET("/v1/challenge", g.cors, g.pace, g.pageChallenge)
	r.POST("/v1/client-events", g.cors, g.pace, g.pageEvents)
	r.GET("/v1/mode", g.cors, g.pageMode)
	r.GET("/client/*file", gin.WrapH(g.client))
	r.HEAD("/client/*file", gin.WrapH(g.client))
	for path, h := range g.mounted {
		r.Any(path+"*rest", gin.WrapH(h))
	}
	r.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	r.GET("/readyz", g.ready)
	return r
}

// AdminHandler serves operators.
func (g *Gateway) AdminHandler() http.Handler { return g.admin.Handler() }

// What every answer says; the slices are shared and never changed.
var (
	noSniff  = []string{"nosniff"}
	noStore  = []string{"no-store"}
	jsonType = []string{"application/json"}
)

// enter names the request and counts what is refused.
func (g *Gateway) enter(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !plainHeader(id, maxRequestID) {
		id = newName()
	}
	h := c.Writer.Header()
	h["X-Request-Id"], h["X-Content-Type-Options"], h["Cache-Control"] = []string{id}, noSniff, noStore
	c.Next()
	status := c.Writer.Status()
	if status >= 400 && status < 500 {
		g.metrics.refused(status)
	}
	if g.log.Enabled(c, slog.LevelDebug) {
		g.log.DebugContext(c, "request", "id", id, "route", c.FullPath(), "status", status)
	}
}

// newName is a name for a request. It tells nothing, unlike a number that grows,
// which would tell every page how busy the gateway is.
func newName() string {
	return strconv.FormatUint(rand.Uint64(), 36)
}

// recovery turns a panic into an answer. What panicked may hold what a user
// sent, so only where it happened is logged.
func (g *Gateway) recovery(c *gin.Context) {
	defer func() {
		if v := recover(); v != nil {
			g.log.Error("a request made the gateway panic; please report it", "route", c.FullPath(), "at", panicSite())
			refuse(c, http.StatusInternalServerError, "the gateway failed on this request")
		}
	}()
	c.Next()
}

// cors lets pages of the configured origins read the answer.
func (g *Gateway) cors(c *gin.Context) {
	c.Header("Vary", "Origin")
	origin := c.GetHeader("Origin")
	for _, allowed := range g.cfg.Client.AllowedOrigins {
		if origin == allowed {
			c.Header("Access-Control-Allow-Origin", origin)
		}
	}
}

// pageScene reads the query's scene, or refuses.
func (g *Gateway) pageScene(c *gin.Context) (policy.Scene, string, bool) {
	name := c.DefaultQuery("scene", defaultScene)
	s, ok := g.policy.Scene(name)
	if !ok {
		refuse(c, http.StatusBadRequest, "the query names a scene that is not configured", badField{"scene", unknownScene})
	}
	return s, name, ok
}

// pageChallenge gives a page the alternate challenge, while the scene asks for
// one.
func (g *Gateway) pageChallenge(c *gin.Context) {
	s, name, ok := g.pageScene(c)
	if !ok {
		return
	}
	if s.Degraded != policy.Challenge || g.situation.sceneMode(name) != policy.ModeDegraded {
		refuse(c, http.StatusConflict, "the scene does not ask for the alternate challenge now; use the captcha")
		return
	}
	g.situation.observe() // however short this is, what is given out now counts until it expires
	c.JSON(http.StatusOK, g.challenger.forPage(name, g.situation.cause(name), g.visitor(c)))
}

// pageMode tells a page who decides about its scene now, and what the scene
// does while degraded.
func (g *Gateway) pageMode(c *gin.Context) {
	s, name, ok := g.pageScene(c)
	if !ok {
		return
	}
	c.JSON(http.StatusOK, gin.H{"mode": g.situation.sceneMode(name), "action": s.Degraded.String()})
}

// ready says whether requests should come here. The Captcha API's health does
// not matter: standing in for it is what the gateway is for.
func (g *Gateway) ready(c *gin.Context) {
	if g.draining.Load() {
		refuse(c, http.StatusServiceUnavailable, "the gateway is shutting down")
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "ready"})
}

// plainHeader reports whether a header's value is printable ASCII of a sane
// length.
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
