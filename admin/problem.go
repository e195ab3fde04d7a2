package admin

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"captchagate/api"
)

// refuse answers with a problem and ends the request.
func refuse(c *gin.Context, status int, detail string, mistakes ...api.Mistake) {
	c.Abort()
	api.Refuse(c.Writer, status, detail, mistakes...)
}

func notFound(c *gin.Context) {
	refuse(c, http.StatusNotFound, "there is nothing at this address")
}

func wrongMethod(c *gin.Context) {
	refuse(c, http.StatusMethodNotAllowed, "this address takes "+strings.ToUpper(c.Writer.Header().Get("Allow"))+" only")
}
