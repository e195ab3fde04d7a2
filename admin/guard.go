package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// A guard lets operators in: by their token or a session under it, or, in a demo, which
// has no token, from this machine.
type guard struct {
	tokens  []known
	wrong   wrongTokens
	cross   *http.CrossOriginProtection
	refused *refusals
}

// known is a token by its hash: hashes are of one length, so that comparing
// them tells nothing of the token's.
type known struct {
	hash    [sha256.Size]byte
	session []byte // the key of its sessions
	name    string
	role    Role
}

// demoActor is who asks where nobody has a token.
const demoActor = "loopback"

// Keys of a request's values, set by the guard.
const (
	actorKey    = "actor"
	roleKey     = "role"
	sessionEnds = "session_ends" // when the session is over, a time.Time; not set if it came with a token
)

func newGuard(tokens []Token, refused *refusals) *guard {
	g := &guard{wrong: wrongTokens{places: map[netip.Prefix]wrongCount{}}, cross: http.NewCrossOriginProtection(), refused: refused}
	for _, token := range tokens {
		g.tokens = append(g.tokens, known{sha256.Sum256([]byte(token.Token)), sessionKey(token.Token), token.Name, token.Role})
	}
	return g
}

// letIn stands before every address of the API, known or not.
func (g *guard) letIn(c *gin.Context) {
	if no := g.identify(c); no != nil {
		g.refuse(c, no)
	}
}

// refuse answers with a problem, ends the request and counts it.
func (g *guard) refuse(c *gin.Context, no *refusal) {
	g.refused.count(no)
	hint(c, no)
	refuse(c, no.status, no.detail)
}

// hint is what a refusal's answer says in its head.
func hint(c *gin.Context, no *refusal) {
	switch no {
	case tooMany:
		c.Header("Retry-After", "60")
	case tooCurious:
		c.Header("Retry-After", "1")
	case noToken, wrongToken:
		c.Header("WWW-Authenticate", `Bearer realm="captchagate"`)
	}
}

// identify notes who asks, or says why nobody may.
func (g *guard) identify(c *gin.Context) *refusal {
	if len(g.tokens) == 0 {
		if why := notFromHere(c.Request); why != "" {
			return &refusal{notHere.reason, notHere.status, "a demo lets in only from this machine, and " + why}
		}
		c.Set(actorKey, demoActor)
		c.Set(roleKey, Operator)
	} else if no := g.recognize(c); no != nil {
		return no
	}
	if g.cross.Check(c.Request) != nil {
		return foreign
	}
	return nil
}

// recognize knows a request by its token, or without one by its session.
func (g *guard) recognize(c *gin.Context) *refusal {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	found, guess := g.byToken(token), token != ""
	if !strings.EqualFold(scheme, "Bearer") {
		found = nil
	}
	if value, err := c.Cookie(sessionCookie); token == "" && err == nil {
		var ends time.Time
		if found, ends, guess = g.bySession(value, time.Now()); found != nil {
			c.Set(sessionEnds, ends)
		}
	}
	if found == nil {
		return g.unknown(c.Request, guess)
	}
	c.Set(actorKey, found.name)
	c.Set(roleKey, found.role)
	return nil
}

// unknown counts and tells of a wrong token, and refuses. A session under a wrong token is a guess at
// the token as well.
func (g *guard) unknown(r *http.Request, guess bool) *refusal {
	if !guess {
		return noToken
	}
	g.refused.wrong(r.RemoteAddr)
	if g.wrong.tooMany(r.RemoteAddr) {
		return tooMany
	}
	return wrongToken
}

// byToken returns nil for a wrong token.
func (g *guard) byToken(token string) (found *known) {
	hash := sha256.Sum256([]byte(token))
	for i := range g.tokens { // all of them, so that the time tells nothing
		if subtle.ConstantTimeCompare(hash[:], g.tokens[i].hash[:]) == 1 {
			found = &g.tokens[i]
		}
	}
	return found
}

// notFromHere says why r may not come from this machine, or "". A proxy on
// this machine connects from loopback too, so what looks forwarded is refused;
// a page whose name was made to point here sends that name as the host.
func notFromHere(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !loopback(peer) {
		return "the connection comes from another"
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if !loopback(host) {
		return "the request is for another host than localhost or 127.0.0.1"
	}
	for name := range r.Header {
		if forwarding(name) {
			return "the request came through a proxy (it has the header " + name + ")"
		}
	}
	return ""
}

func forwarding(header string) bool {
	switch header {
	case "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip":
		return true
	default:
		return strings.HasPrefix(header, "X-Forwarded") || strings.HasPrefix(header, "X-Original-")
	}
}

// operatorsOnly stands before what sets something.
func (g *guard) operatorsOnly(c *gin.Context) {
	if !g.operates(c) {
		refuse(c, readOnly.status, readOnly.detail)
	}
}

// operates is operates for who is about to set something: who may not is counted.
func (g *guard) operates(c *gin.Context) bool {
	may := operates(c)
	if !may {
		g.refused.count(readOnly)
	}
	return may
}

// operates reports whether who asks may set something.
func operates(c *gin.Context) bool {
	role, _ := c.Get(roleKey)
	return role == Operator
}

// actor names who asks, for the audit.
func actor(c *gin.Context) string { return c.GetString(actorKey) }
