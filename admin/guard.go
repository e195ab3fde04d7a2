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
	tokens []known
	wrong  wrongTokens
	cross  *http.CrossOriginProtection
}

// known is a token by its hash: hashes are of one length, so that comparing
// them tells nothing of the token's.
type known struct {
	hash    [sha256.Size]byte
	session []byte // the key of its sessions
	name    string
	role    Role
}

// Keys of a request's values, set by the guard.
const (
	actorKey    = "actor"
	roleKey     = "role"
	sessionEnds = "session_ends" // when the session is over, a time.Time; not set if it came with a token
)

func newGuard(tokens []Token) *guard {
	g := &guard{wrong: wrongTokens{places: map[netip.Prefix]wrongCount{}}, cross: http.NewCrossOriginProtection()}
	for _, token := range tokens {
		g.tokens = append(g.tokens, known{sha256.Sum256([]byte(token.Token)), sessionKey(token.Token), token.Name, token.Role})
	}
	return g
}

// A refusal is why a request is not let in.
type refusal struct {
	status int
	detail string
}

var (
	noToken  = &refusal{http.StatusUnauthorized, "a token of admin.tokens is needed, as Authorization: Bearer TOKEN"}
	tooMany  = &refusal{http.StatusTooManyRequests, "too many wrong tokens came from this address; wait a minute, or take a right one, which is always let in"}
	foreign  = &refusal{http.StatusForbidden, "a page of another site may not change anything here"}
	readOnly = &refusal{http.StatusForbidden, "the token's role is viewer, which reads only; take an operator's"}
)

// letIn stands before every address of the API, known or not.
func (g *guard) letIn(c *gin.Context) {
	if no := g.identify(c); no != nil {
		switch no {
		case tooMany:
			c.Header("Retry-After", "60")
		case noToken:
			c.Header("WWW-Authenticate", `Bearer realm="captchagate"`)
		}
		refuse(c, no.status, no.detail)
	}
}

// identify notes who asks, or says why nobody may.
func (g *guard) identify(c *gin.Context) *refusal {
	if len(g.tokens) == 0 {
		if why := notFromHere(c.Request); why != "" {
			return &refusal{http.StatusForbidden, "a demo lets in only from this machine, and " + why}
		}
		c.Set(actorKey, "loopback")
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

// unknown counts a wrong token, and refuses. A session under a wrong token is a guess at
// the token as well.
func (g *guard) unknown(r *http.Request, guess bool) *refusal {
	if guess && g.wrong.tooMany(r.RemoteAddr) {
		return tooMany
	}
	return noToken
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
func operatorsOnly(c *gin.Context) {
	if !operates(c) {
		refuse(c, readOnly.status, readOnly.detail)
	}
}

// operates reports whether who asks may set something.
func operates(c *gin.Context) bool {
	role, _ := c.Get(roleKey)
	return role == Operator
}

// actor names who asks, for the audit.
func actor(c *gin.Context) string { return c.GetString(actorKey) }
