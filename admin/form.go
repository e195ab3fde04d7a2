package admin

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

// formOf reads a form, or refuses it. What stands in the address is none of it.
func formOf(c *gin.Context) (form url.Values, ok bool) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	err := c.Request.ParseMultipartForm(maxBody)
	if err != nil && err != http.ErrNotMultipart { //nolint:errorlint // as it is returned
		refuse(c, http.StatusBadRequest, "the form could not be read")
		return nil, false
	}
	return c.Request.PostForm, true
}

// backHome leads who reads the address of a form to the dashboard.
func backHome(c *gin.Context) { c.Redirect(http.StatusSeeOther, home) }

// sentenceOf writes a text as a sentence; "" stays so.
func sentenceOf(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(text[size:], ".") + "."
}
