package admin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/api"
	"captchagate/watch"
)

// mostMinutes is how far back a series goes.
const mostMinutes = watch.HistoryMinutes

// A Series is the body of GET /admin/v1/series: what happened, oldest first.
type Series struct {
	Step   int           `json:"step_seconds"` // from one point to the next: 1 or 60
	Points []watch.Point `json:"points"`       // of what is over; none of a time when the process did not run
}

// getSeries shows what happened in the last minutes.
func (s *Server) getSeries(c *gin.Context) {
	minutes := watch.HistorySeconds / 60
	if written, given := c.GetQuery("minutes"); given {
		var err error
		if minutes, err = strconv.Atoi(written); err != nil || minutes < 1 || minutes > mostMinutes {
			refuse(c, http.StatusBadRequest, "the query has mistakes", api.Mistake{Field: "minutes", Detail: fmt.Sprintf(
				"must be a number between 1 and %d: up to %d there is a point a second, beyond that a point a minute", mostMinutes, watch.HistorySeconds/60)})
			return
		}
	}
	every, points := s.views.Series(minutes)
	answer(c, Series{int(every / time.Second), points})
}
