// Command simplegateway is the gateway that somebody writes in an afternoon:
// Gin, gobreaker, the Tencent SDK and backoff, each with its defaults. It is
// what captchagate is measured against, so it is kept as people write it.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/cenkalti/backoff/v4"
	"github.com/gin-gonic/gin"
	"github.com/sony/gobreaker/v2"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"

	"captchagate/simulator"
)

// The request and response as the SDK's product package has them.
type request struct {
	*tchttp.BaseRequest
	CaptchaType                           *uint64
	Ticket, UserIp, Randstr, AppSecretKey *string
	CaptchaAppId                          *uint64
}

type response struct {
	*tchttp.BaseResponse
	Response *struct {
		CaptchaCode *int64
		CaptchaMsg  *string
		EvilLevel   *int64
		RequestId   *string
	}
}

type question struct {
	Ticket  string `json:"ticket" binding:"required"`
	Randstr string `json:"randstr" binding:"required"`
	UserIP  string `json:"user_ip" binding:"required"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "address to listen on")
	endpoint := flag.String("endpoint", "127.0.0.1:8082", "host:port of the Captcha API")
	flag.Parse()

	p := profile.NewClientProfile()
	p.HttpProfile.Endpoint, p.HttpProfile.Scheme = *endpoint, "http"
	client := new(common.Client).Init("").WithSecretId(simulator.DefaultSecretID, simulator.DefaultSecretKey).WithProfile(p)
	breaker := gobreaker.NewCircuitBreaker[*response](gobreaker.Settings{Name: "captcha"})

	ask := func(q question) (*response, error) {
		req := &request{
			BaseRequest: (&tchttp.BaseRequest{}).Init().WithApiInfo("captcha", "2019-07-22", "DescribeCaptchaResult"),
			CaptchaType: common.Uint64Ptr(9), Ticket: &q.Ticket, UserIp: &q.UserIP, Randstr: &q.Randstr,
			CaptchaAppId: common.Uint64Ptr(simulator.DefaultAppID), AppSecretKey: common.StringPtr(simulator.DefaultAppSecretKey),
		}
		res := &response{BaseResponse: &tchttp.BaseResponse{}}
		err := backoff.Retry(func() error { return client.Send(req, res) },
			backoff.WithMaxRetries(backoff.NewExponentialBackOff(), 2))
		return res, err
	}

	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	r.POST("/v1/verify", func(c *gin.Context) {
		var q question
		if err := c.ShouldBindJSON(&q); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		res, err := breaker.Execute(func() (*response, error) { return ask(q) })
		switch {
		case err != nil:
			c.JSON(http.StatusInternalServerError, gin.H{"decision": "deny", "reason": "error"})
		case *res.Response.CaptchaCode == 1 && *res.Response.EvilLevel < 100:
			c.JSON(http.StatusOK, gin.H{"decision": "allow", "reason": "verified", "code": *res.Response.CaptchaCode})
		default:
			c.JSON(http.StatusOK, gin.H{"decision": "deny", "reason": "rejected", "code": *res.Response.CaptchaCode})
		}
	})
	log.Fatal(r.Run(*listen))
}
