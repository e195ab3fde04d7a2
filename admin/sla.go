package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/sla"
)

// getSLA shows the service levels of a month.
func (s *Server) getSLA(c *gin.Context) {
	month, given := c.GetQuery("month")
	report, err := s.views.SLA(month)
	if err != nil || given && month == "" {
		var wrong api.Mistakes
		wrong.Add("month", sla.ErrMonth.Error())
		refuse(c, http.StatusBadRequest, "the query has mistakes", wrong...)
		return
	}
	answer(c, report)
}

// SLA returns the service levels of a month such as 2026-11, of the present one if it is
// empty; its texts may be printed. Errors are as of Status.
func (c *Client) SLA(ctx context.Context, month string) (report sla.Report, err error) {
	query := url.Values{}
	if month != "" {
		query.Set("month", month)
	}
	if err = c.askFor(ctx, "/admin/v1/sla", query, &report); err == nil && report.Month == "" {
		err = c.notAGateway()
	}
	for i, f := range report.Faults {
		kinds := map[string]int64{}
		for kind, n := range f.Kinds {
			kinds[api.Printable(kind)] += n
		}
		report.Faults[i].Kinds = kinds
		for n, id := range f.RequestIDs {
			f.RequestIDs[n] = api.Printable(id)
		}
	}
	report.Month = api.Printable(report.Month)
	return report, err
}
