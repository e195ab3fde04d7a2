package web

import (
	"net/url"
	"strings"
)

// Hosts that Tencent's script loads its parts from. The real script brings
// styles of its own, but sets them from its own frame or through the CSSOM.
const (
	tencentScript = "https://turing.captcha.qcloud.com https://turing.captcha.gtimg.com"
	tencentFrame  = tencentScript + " https://ssl.captcha.qq.com https://captcha.gtimg.com"
	tencentGlobal = "https://ca.turing.captcha.qcloud.com"
)

// policy is the header for a page with Tencent's script at the address and
// ours from gateway.
func policy(script, gateway string) string {
	vendor, frame := tencentScript, tencentFrame
	u, err := url.Parse(script)
	if err != nil {
		return ""
	}
	origin := u.Scheme + "://" + u.Host
	if !strings.HasSuffix(u.Hostname(), ".captcha.qcloud.com") {
		vendor, frame = origin, origin // a stand-in has no other hosts
	} else if origin == tencentGlobal {
		vendor, frame = tencentGlobal+" "+vendor, tencentGlobal+" "+frame
	}
	own := "'self'"
	if gateway != "" {
		own += " " + gateway
	}
	return strings.Join([]string{
		"default-src 'self'",
		"script-src " + own + " " + vendor,
		"style-src 'self' " + vendor,
		"font-src 'self' " + vendor,
		"img-src 'self' data: " + vendor,
		"frame-src " + frame,
		"connect-src " + own + " " + frame,
		"worker-src 'self'",
		"object-src 'none'",
		"base-uri 'self'",
		"form-action 'self'",
	}, "; ")
}
