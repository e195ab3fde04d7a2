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
	case noToken, wrongToken:
		// A browser sends no strict cookie to where a link of another site leads.
		_, err := c.Cookie(sessionCookie)
		page.Again = err != nil && c.Request.Method == http.MethodGet && c.GetHeader("Sec-Fetch-Site") == "cross-site"
		if c.Request.Method == http.MethodPost {
			page.Wrong = "Your session is over, and nothing was changed. Log in, and do it again."
		}
	case tooMany:
		page.Wrong = sentenceOf(no.detail)
	default:
		s.guard.refuse(c, no)
		return
	}
	s.askToken(c, no, page)
}

// askToken shows the login's page to who is refused.
func (s *Server) askToken(c *gin.Context, no *refusal, page loginPage) {
	s.guard.refused.count(no)
	hint(c, no)
	s.render(c, no.status, "login", page)
}

// postLogin gives a browser a session for its token.
func (s *Server) postLogin(c *gin.Context) {
	if s.guard.cross.Check(c.Request) != nil {
		s.guard.refuse(c, foreign)
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
	if found == nil {
		no, page := s.guard.unknown(c.Request, given != ""), loginPage{Wrong: "This is not one of the gateway’s tokens."}
		if no == tooMany {
			page.Wrong = sentenceOf(no.detail)
		}
		s.askToken(c, no, page)
		return
	}
	if s.lostCookie(c.Request) {
		s.render(c, http.StatusForbidden, "login", loginPage{Wrong: "This gateway is at " + s.public.String() + ": log in there. Your browser came by plain http, and would not keep the session."})
		return
	}
	s.log.Info("somebody logged in to the dashboard", "actor", found.name, "role", found.role, "from", peerOf(c.Request.RemoteAddr))
	s.setSession(c, found.newSession(time.Now()))
	c.Redirect(http.StatusSeeOther, home)
}

// postLogout takes the session away from the browser. It stands before the guard: a
// session that is over goes too.
func (s *Server) postLogout(c *gin.Context) {
	if s.guard.cross.Check(c.Request) != nil {
		s.guard.refuse(c, foreign)
		return
	}
	s.setSession(c, "")
	c.Redirect(http.StatusSeeOther, home)
}
