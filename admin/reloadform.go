package admin

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// A reloadedPage says what a reload came to.
type reloadedPage struct {
	Summary  string
	Warnings []string
	Mistakes []string
}

// postReloadForm reloads as POST /admin/v1/reload does, and shows what came of it.
func (s *Server) postReloadForm(c *gin.Context) {
	switch {
	case !s.guard.operates(c):
		s.render(c, http.StatusForbidden, "reloaded", reloadedPage{Mistakes: []string{sentenceOf(readOnly.detail)}})
		return
	case s.reload == nil:
		s.render(c, http.StatusNotImplemented, "reloaded", reloadedPage{Mistakes: []string{"This gateway was started without a configuration file; there is nothing to load again."}})
		return
	}
	came, err := s.reload(c.Request.Context(), actor(c))
	if err != nil {
		s.render(c, http.StatusUnprocessableEntity, "reloaded", reloadedPage{Mistakes: strings.Split(err.Error(), "\n")})
		return
	}
	page := reloadedPage{Warnings: came.Warnings}
	if came.Summary != "" {
		page.Summary = sentenceOf(came.Summary)
	}
	s.render(c, http.StatusOK, "reloaded", page)
}
