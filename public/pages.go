package public

import (
	"errors"
	"io"
	"net/http"
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

// cors lets pages of the configured origins read the answer.
func (s *Server) cors(c *gin.Context) {
	c.Header("Vary", "Origin")
	origin := c.GetHeader("Origin")
	for _, allowed := range s.cfg.AllowedOrigins {
		if origin == allowed {
			c.Header("Access-Control-Allow-Origin", origin)
		}
	}
}

// pageScene reads the query's scene, or refuses.
func (s *Server) pageScene(c *gin.Context) (scene policy.Scene, name string, ok bool) {
	name = c.DefaultQuery("scene", defaultScene)
	scene, ok = s.decider.Scene(name)
	if !ok {
		refuse(c, http.StatusBadRequest, "the query names a scene that is not configured", api.Mistake{Field: "scene", Detail: unknownScene})
	}
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
