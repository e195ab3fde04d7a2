package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"captchagate/api"
)

// maxBody bounds a body, in bytes.
const maxBody = 64 << 10

// readBody reads the request's body into a struct as api.ReadObject takes it,
// or refuses it.
func readBody(c *gin.Context, into any) (ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		refuse(c, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body may have %d bytes", maxBody))
		return false
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, "the body could not be read to its end")
		return false
	}
	if err := api.ReadObject(body, into); err != nil {
		refuse(c, http.StatusBadRequest, "the body "+err.Error())
		return false
	}
	return true
}
