package admin

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
)

// ErrNoAlarms says that alarms.webhook is not configured.
var ErrNoAlarms = errors.New("alarms.webhook is not configured, so nobody is told of anything")

// postAlarmsTest sends a test, and says whether it was taken.
func (s *Server) postAlarmsTest(c *gin.Context) {
	if status, err := s.testAlarms(c); err != nil {
		refuse(c, status, err.Error())
		return
	}
	answer(c, AlarmsTest{Taken: true})
}

// An AlarmsTest is what came of a test of the alarms.
type AlarmsTest struct {
	Taken bool `json:"taken"`
}

// An alarmsPage says what came of a test.
type alarmsPage struct{ Wrong string }

// postAlarmsForm is postAlarmsTest for the dashboard.
func (s *Server) postAlarmsForm(c *gin.Context) {
	if !s.guard.operates(c) {
		s.render(c, http.StatusForbidden, "alarms", alarmsPage{sentenceOf(readOnly.detail)})
		return
	}
	status, err := s.testAlarms(c)
	page := alarmsPage{}
	if err != nil {
		page.Wrong = sentenceOf(err.Error())
	}
	s.render(c, status, "alarms", page)
}

func (s *Server) testAlarms(c *gin.Context) (status int, err error) {
	err = s.views.TestAlarms(c.Request.Context(), actor(c))
	switch {
	case err == nil:
		return http.StatusOK, nil
	case errors.Is(err, ErrNoAlarms):
		return http.StatusNotImplemented, err
	}
	return http.StatusBadGateway, err
}
