package admin

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// home is where the dashboard is, and where its forms lead back to.
const home = "/"

// loginPage is what is shown to who is not let in.
type loginPage struct {
	Wrong string // what was wrong with what they sent; "" for nothing
	Again bool   // ask again at once: the browser kept the session to itself
}

// letInPage stands before the dashboard. Who is not let in is asked for the token.
func (s *Server) letInPage(c *gin.Context) {
	no := s.guard.identify(c)
	if no == nil {
		return
	}
	c.Abort()
	page := loginPage{}
	switch no {
	case noToken:
		c.Header("WWW-Authenticate", `Bearer realm="captchagate"`)
		// A browser sends no strict cookie to where a link of another site leads.
		_, err := c.Cookie(sessionCookie)
		page.Again = err != nil && c.Request.Method == http.MethodGet && c.GetHeader("Sec-Fetch-Site") == "cross-site"
		if c.Request.Method == http.MethodPost {
			page.Wrong = "Your session is over, and nothing was changed. Log in, and do it again."
		}
	case tooMany:
		c.Header("Retry-After", "60")
		page.Wrong = sentenceOf(no.detail)
	default:
		refuse(c, no.status, no.detail)
		return
	}
	s.render(c, no.status, "login", page)
}

// postLogin gives a browser a session for its token.
func (s *Server) postLogin(c *gin.Context) {
	if s.guard.cross.Check(c.Request) != nil {
		refuse(c, foreign.status, foreign.detail)
		return
	}
	if len(s.guard.tokens) == 0 { // a demo has none
		c.Redirect(http.StatusSeeOther, home)
		return
	}
	token, ok := formOf(c)
	if !ok {
		return
	}
	given := token.Get("token")
	found := s.guard.byToken(given)
	switch {
	case found != nil:
		setSession(c.Writer, c.Request, found.newSession(time.Now()))
		c.Redirect(http.StatusSeeOther, home)
	case s.guard.unknown(c.Request, given != "") == tooMany:
		c.Header("Retry-After", "60")
		s.render(c, http.StatusTooManyRequests, "login", loginPage{Wrong: sentenceOf(tooMany.detail)})
	default:
		c.Header("WWW-Authenticate", `Bearer realm="captchagate"`)
		s.render(c, http.StatusUnauthorized, "login", loginPage{Wrong: "This is not one of the gateway’s tokens."})
	}
}

// postLogout takes the session away from the browser. It stands before the guard: a
// session that is over goes too.
func (s *Server) postLogout(c *gin.Context) {
	if s.guard.cross.Check(c.Request) != nil {
		refuse(c, foreign.status, foreign.detail)
		return
	}
	setSession(c.Writer, c.Request, "")
	c.Redirect(http.StatusSeeOther, home)
}
