package public

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/policy"
	"captchagate/watch"
)

// pageBudget is what pages may ask the gateway for without a key.
func pageBudget() *policy.Limiter {
	return policy.NewLimiter(policy.Budget{
		PerIP: policy.Rate{N: 60, Per: time.Minute}, Total: policy.Rate{N: 2000, Per: time.Second},
	}, nil)
}

// pace bounds what one network may ask for without a key.
func (s *Server) pace(c *gin.Context) {
	if !s.pages.Take(policy.NotLasting, s.visitor(c.Request), "") {
		c.Header("Retry-After", "10")
		refuse(c, http.StatusTooManyRequests, "too many requests from this network; try again in some seconds")
	}
}

// cors lets pages of the configured origins read the answer and what time it is
// here, which their browsers may be wrong about.
func (s *Server) cors(c *gin.Context) {
	c.Header("Vary", "Origin")
	origin := c.GetHeader("Origin")
	for _, allowed := range s.cfg.AllowedOrigins {
		if origin == allowed {
			c.Header("Access-Control-Allow-Origin", origin)
			c.Header("Access-Control-Expose-Headers", "Date")
		}
	}
}

// foreignOrigin says in the log, once a minute for each origin, that a page asks
// about a scene of ours and may not read the answer: else only its user's browser
// says so. Browsers name the origin where a page of another one wants to read.
func (s *Server) foreignOrigin(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if origin == "" || c.Writer.Header().Get("Access-Control-Allow-Origin") != "" || c.GetHeader("Sec-Fetch-Site") == "same-origin" {
		return
	}
	if u, err := url.Parse(origin); err != nil || origin != u.Scheme+"://"+u.Host || !plainHeader(origin, maxOrigin) {
		origin = "null" // as browsers write one that cannot be named
	}
	if s.origins.first(origin) {
		s.log.Warn("a page of an origin that is not in client.allowed_origins asks for what its browser will not show it, so that its users get no alternate challenge; add the origin, or serve the gateway's paths under the page's own; it is told once a minute",
			"origin", origin)
	}
}

// maxOrigin is the longest origin that is named in the log, in bytes.
const maxOrigin = 200

// pageScene reads the query's scene, or refuses.
func (s *Server) pageScene(c *gin.Context) (scene policy.Scene, name string, ok bool) {
	name = c.DefaultQuery("scene", defaultScene)
	scene, ok = s.decider.Scene(name)
	if !ok {
		refuse(c, http.StatusBadRequest, "the query names a scene that is not configured", api.Mistake{Field: "scene", Detail: unknownScene})
		return scene, name, ok
	}
	s.foreignOrigin(c)
	return scene, name, ok
}

// pageChallenge gives a page the alternate challenge, while the scene asks for
// one.
func (s *Server) pageChallenge(c *gin.Context) {
	scene, name, ok := s.pageScene(c)
	if !ok {
		return
	}
	if scene.Degraded != policy.Challenge || s.situation.SceneMode(name) != policy.ModeDegraded {
		refuse(c, http.StatusConflict, "the scene does not ask for the alternate challenge now; use the captcha")
		return
	}
	s.situation.Observe() // however short this is, what is given out now counts until it expires
	c.JSON(http.StatusOK, s.challenger.IssueForPage(name, s.situation.Cause(name), s.visitor(c.Request)))
}

// pageMode tells a page who decides about its scene now, and what the scene
// does while degraded.
func (s *Server) pageMode(c *gin.Context) {
	scene, name, ok := s.pageScene(c)
	if !ok {
		return
	}
	c.JSON(http.StatusOK, gin.H{"mode": s.situation.SceneMode(name), "action": scene.Degraded.String()})
}

// pageApp gives a page the app id encrypted. It costs microseconds and is asked for
// with each captcha, in peace too, so that it has no rate.
func (s *Server) pageApp(c *gin.Context) {
	encrypting := s.appID.Load()
	if encrypting == nil {
		refuse(c, http.StatusNotFound, "client.encrypt_app_id is off; pages use the app id as it is")
		return
	}
	if _, _, ok := s.pageScene(c); !ok {
		return
	}
	id, encrypted, expires := (*encrypting).Encrypt(time.Now())
	c.JSON(http.StatusOK, gin.H{"captcha_app_id": id, "aid_encrypted": encrypted, "expires": expires.UTC().Format(time.RFC3339)})
}

// pageEvents takes what a page reports of a captcha that failed to load. It
// raises an alarm and is never evidence.
func (s *Server) pageEvents(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, watch.MaxReportBytes))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuse(c, http.StatusRequestEntityTooLarge, "the body is over 4 KiB")
		return
	}
	events, err := watch.ParseEvents(body)
	if err != nil {
		refuse(c, http.StatusBadRequest, "the body is not a report of a page", api.Mistake{Field: "body", Detail: strings.TrimPrefix(err.Error(), "watch: ")})
		return
	}
	s.reports.Record(s.visitor(c.Request), events)
	c.Status(http.StatusNoContent)
}
