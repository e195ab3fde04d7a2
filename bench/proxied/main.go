// Command proxied is a backend that asks the Captcha API through a proxy, which
// is to save it in an outage. It follows the disaster recovery scheme: what is a
// time-out, an InternalError or CaptchaCode 26 to it is nobody's fault, and its
// users are denied for the time being, with the reason. It answers POST
// /v1/verify in captchagate's words, so that the same load test judges both.
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"

	"captchagate/simulator"
)

type request struct {
	*tchttp.BaseRequest
	CaptchaType                           *uint64
	Ticket, UserIp, Randstr, AppSecretKey *string
	CaptchaAppId                          *uint64
}

type response struct {
	*tchttp.BaseResponse
	Response *struct{ CaptchaCode, EvilLevel *int64 }
}

type question struct {
	Ticket  string `json:"ticket"`
	Randstr string `json:"randstr"`
	UserIP  string `json:"user_ip"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8093", "address to listen on")
	endpoint := flag.String("endpoint", "127.0.0.1:8092", "host:port of the proxy")
	flag.Parse()

	p := profile.NewClientProfile()
	p.HttpProfile.Endpoint, p.HttpProfile.Scheme, p.HttpProfile.ReqTimeout = *endpoint, "http", 2
	p.DisableRegionBreaker = true
	client := new(common.Client).Init("").WithSecretId(simulator.DefaultSecretID, simulator.DefaultSecretKey).WithProfile(p)
	client.WithHttpTransport(&http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute})

	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	r.POST("/v1/verify", func(c *gin.Context) {
		var q question
		if err := c.ShouldBindJSON(&q); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusOK, ask(client, q))
	})
	log.Fatal(r.Run(*listen))
}

// ask decides about a user by what comes through the proxy.
func ask(client *common.Client, q question) gin.H {
	req := &request{
		BaseRequest: (&tchttp.BaseRequest{}).Init().WithApiInfo("captcha", "2019-07-22", "DescribeCaptchaResult"),
		CaptchaType: common.Uint64Ptr(9), Ticket: &q.Ticket, UserIp: &q.UserIP, Randstr: &q.Randstr,
		CaptchaAppId: common.Uint64Ptr(simulator.DefaultAppID), AppSecretKey: common.StringPtr(simulator.DefaultAppSecretKey),
	}
	res := &response{BaseResponse: &tchttp.BaseResponse{}}
	err := client.Send(req, res)
	switch {
	case err != nil || res.Response == nil || res.Response.CaptchaCode == nil || *res.Response.CaptchaCode == 26:
		return gin.H{"decision": "deny", "reason": "degraded_deny", "assurance": "none", "mode": "degraded", "cause": "upstream_fault"}
	case *res.Response.CaptchaCode == 1 && (res.Response.EvilLevel == nil || *res.Response.EvilLevel < 100):
		return gin.H{"decision": "allow", "reason": "verified", "assurance": "full", "mode": "normal"}
	}
	return gin.H{"decision": "deny", "reason": "rejected", "assurance": "none", "mode": "normal"}
}
