// Command constgateway answers with constants through the same web framework:
// what any gateway built on it costs at least.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"

	"github.com/gin-gonic/gin"
)

// constant is as long as an answer of the gateway.
const constant = `{"decision":"deny","reason":"degraded_deny","assurance":"none","mode":"degraded","cause":"forced","attempts":0,"decision_id":"01939d5e-7d1c-7c3e-a5c1-8a5f2b0d9e11"}`

type question struct {
	Ticket  string `json:"ticket" binding:"required"`
	Randstr string `json:"randstr"`
	UserIP  string `json:"user_ip" binding:"required"`
	Scene   string `json:"scene"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8091", "address to listen on")
	flag.Parse()
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	body := []byte(constant)
	r.POST("/v1/verify", func(c *gin.Context) { // reads the question
		if _, err := io.ReadAll(c.Request.Body); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		c.Data(http.StatusOK, "application/json", body)
	})
	r.POST("/decoded", func(c *gin.Context) { // understands it too
		var q question
		if err := c.ShouldBindJSON(&q); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		c.Data(http.StatusOK, "application/json", body)
	})
	log.Fatal(r.Run(*listen))
}
