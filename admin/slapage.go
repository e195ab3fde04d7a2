package admin

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/sla"
)

const monthForm = "2006-01"

// levelsPage is the page of a month's service levels.
type levelsPage struct {
	Report        sla.Report
	GoesOn        bool
	Before, After string // the months beside it; "" for one to come
	Wrong         string
}

// getLevels shows a month's service levels, with the text of a ticket to the provider.
func (s *Server) getLevels(c *gin.Context) {
	status := http.StatusOK
	var page levelsPage
	var err error
	if page.Report, err = s.views.SLA(c.Query("month")); err != nil {
		status, page.Wrong = http.StatusBadRequest, "month "+err.Error()+"; this is the present one"
		page.Report, _ = s.views.SLA("")
	}
	page.GoesOn = time.Now().Before(page.Report.To)
	page.Before = page.Report.From.AddDate(0, -1, 0).Format(monthForm)
	if !page.GoesOn {
		page.After = page.Report.To.Format(monthForm)
	}
	s.render(c, status, "sla", page)
}

// levels are the service levels of the present month and of the last.
func (s *Server) levels() []sla.Report {
	now, err := s.views.SLA("")
	if err != nil {
		return nil
	}
	last, err := s.views.SLA(now.From.AddDate(0, -1, 0).Format(monthForm))
	if err != nil {
		return []sla.Report{now}
	}
	return []sla.Report{now, last}
}
