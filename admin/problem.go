package admin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"captchagate/control"
)

// A Problem is an answer that is not the one asked for (RFC 9457). The client
// returns it as an error.
type Problem struct {
	Type   string            `json:"type"`
	Title  string            `json:"title"`
	Status int               `json:"status"`
	Detail string            `json:"detail"`
	Errors []control.Mistake `json:"errors,omitempty"` // what is wrong in the request, by field
}

// Error says all of it in one line.
func (p *Problem) Error() string {
	if len(p.Errors) == 0 {
		return p.Detail
	}
	return p.Detail + ": " + control.Mistakes(p.Errors).Error()
}

// refuse answers with a problem and ends the request.
func refuse(c *gin.Context, status int, detail string, mistakes ...control.Mistake) {
	body, _ := json.Marshal(Problem{ // strings and numbers: it cannot fail
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: mistakes,
	})
	c.Abort()
	c.Data(status, "application/problem+json", body)
}

func notFound(c *gin.Context) {
	refuse(c, http.StatusNotFound, "there is nothing at this address")
}

func wrongMethod(c *gin.Context) {
	refuse(c, http.StatusMethodNotAllowed, "this address takes "+strings.ToUpper(c.Writer.Header().Get("Allow"))+" only")
}
