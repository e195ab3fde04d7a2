package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"
)

// problem is an error as RFC 9457 writes it.
type problem struct {
	Type   string     `json:"type"`
	Title  string     `json:"title"`
	Status int        `json:"status"`
	Detail string     `json:"detail"`
	Errors []badField `json:"errors,omitempty"`
}

// badField is one thing that the caller wrote wrongly.
type badField struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// refuse ends the request with a problem.
func refuse(c *gin.Context, status int, detail string, fields ...badField) {
	body, _ := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: fields,
	})
	c.Abort()
	c.Data(status, "application/problem+json", append(body, '\n'))
}
