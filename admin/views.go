package admin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"captchagate/watch"
)

// getIncidents shows the newest outages.
func (s *Server) getIncidents(c *gin.Context) {
	_, limit, mistakes := auditQuery(c)
	if len(mistakes) > 0 {
		refuse(c, http.StatusBadRequest, "the query has mistakes", mistakes...)
		return
	}
	answer(c, struct {
		Incidents []watch.Incident `json:"incidents"`
	}{s.views.Incidents(limit)})
}

// getReverified shows what re-verification found and nobody has acknowledged,
// in the form of its webhook.
func (s *Server) getReverified(c *gin.Context) {
	_, limit, mistakes := auditQuery(c)
	if len(mistakes) > 0 {
		refuse(c, http.StatusBadRequest, "the query has mistakes", mistakes...)
		return
	}
	reports, err := s.views.Reverified(c.Request.Context(), limit)
	if err != nil {
		s.log.Error("the re-verification reports could not be shown", "error", err)
		refuse(c, http.StatusServiceUnavailable, "the reports could not be read from the store; the gateway's log says more")
		return
	}
	answer(c, reports)
}
