package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"

	"captchagate/watch"
)

// visitor is the address of the page's user: the peer, or behind trusted
// proxies the nearest address that is not one of them. What stands further
// left in X-Forwarded-For is the client's own word.
func (g *Gateway) visitor(c *gin.Context) netip.Addr {
	host, _, _ := net.SplitHostPort(c.Request.RemoteAddr)
	ip, _ := netip.ParseAddr(host)
	hops := strings.Split(strings.Join(c.Request.Header.Values("X-Forwarded-For"), ","), ",")
	for len(hops) > 0 && g.isProxy(ip) {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break
		}
		ip, hops = next, hops[:len(hops)-1]
	}
	return ip.Unmap()
}

func (g *Gateway) isProxy(ip netip.Addr) bool {
	for _, proxies := range g.cfg.TrustedProxies {
		if proxies.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// pace bounds what one network may ask for without a key.
func (g *Gateway) pace(c *gin.Context) {
	if !g.pages.Take(g.visitor(c), "") {
		c.Header("Retry-After", "10")
		refuse(c, http.StatusTooManyRequests, "too many requests from this network; try again in some seconds")
	}
}

// pageEvents takes what a page reports of a captcha that failed to load. It
// raises an alarm and is never evidence.
func (g *Gateway) pageEvents(c *gin.Context) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, watch.MaxReport))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuse(c, http.StatusRequestEntityTooLarge, "the body is over 4 KiB")
		return
	}
	events, err := watch.ParseEvents(body)
	if err != nil {
		refuse(c, http.StatusBadRequest, "the body is not a report of a page", badField{"body", strings.TrimPrefix(err.Error(), "watch: ")})
		return
	}
	g.reports.Note(g.visitor(c), events)
	c.Status(http.StatusNoContent)
}
