package admin

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"captchagate/api"
)

// A Name is the "who" of one user's lines in the log of one month.
type Name struct {
	Month string `json:"month"` // 2026-11, of UTC
	Who   string `json:"who"`   // of the address, of the subject behind a dash, or both
}

// Names is the body of the answer to POST /admin/v1/who.
type Names struct {
	Names []Name `json:"names"`
}

// whoBody is the object of POST /admin/v1/who: in a body, for addresses in a URL
// end up in logs.
type whoBody struct {
	IP      api.Member `json:"ip"`
	Subject api.Member `json:"subject"`
	Rest    api.Rest   `json:",embed"`
}

// Names are short, so that who may ask without end could find out by trying whose a name
// is: each token has as many as a person asks for.
const (
	namingEvery = time.Second
	maxNamings  = 30 // at once
)

func newNamings(tokens []Token) map[string]*rate.Limiter {
	by := map[string]*rate.Limiter{demoActor: rate.NewLimiter(rate.Every(namingEvery), maxNamings)}
	for _, token := range tokens {
		by[token.Name] = rate.NewLimiter(rate.Every(namingEvery), maxNamings)
	}
	return by
}

// postWho says what a user is called in the log.
func (s *Server) postWho(c *gin.Context) {
	if !s.namings[actor(c)].Allow() {
		s.guard.refuse(c, tooCurious)
		return
	}
	var b whoBody
	if !readBody(c, &b) {
		return
	}
	var wrong api.Mistakes
	var ip netip.Addr
	if written, ok := wrong.Text("ip", b.IP); ok {
		var err error
		if ip, err = netip.ParseAddr(written); err != nil || ip.Zone() != "" {
			wrong.Add("ip", "must be an IPv4 or IPv6 address")
		}
	}
	subject, _ := wrong.Text("subject", b.Subject)
	if !b.IP.Given() && subject == "" {
		wrong.Add("ip", "say ip, subject or both")
	}
	wrong.Unknown(b.Rest)
	if len(wrong) > 0 {
		refuse(c, http.StatusBadRequest, "the request has mistakes", wrong...)
		return
	}
	names, err := s.views.Who(c.Request.Context(), ip, subject)
	if err != nil {
		s.log.Error("nobody could be named", "error", err)
		refuse(c, http.StatusServiceUnavailable, "the key of the names could not be read from the store; the gateway's log says more")
		return
	}
	answer(c, Names{Names: append([]Name{}, names...)})
}
