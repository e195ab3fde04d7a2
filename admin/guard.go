package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"
)

// A guard lets operators in: by their token, or, in a demo, which has none, from
// this machine.
type guard struct {
	tokens []known
	wrong  wrongTokens
	cross  *http.CrossOriginProtection
}

// known is a token by its hash: hashes are of one length, so that comparing
// them tells nothing of the token's.
type known struct {
	hash [sha256.Size]byte
	name string
	role Role
}

// Keys of a request's values, set by the guard.
const (
	actorKey = "actor"
	roleKey  = "role"
)

func newGuard(tokens []Token) *guard {
	g := &guard{wrong: wrongTokens{places: map[netip.Prefix]wrongCount{}}, cross: http.NewCrossOriginProtection()}
	for _, token := range tokens {
		g.tokens = append(g.tokens, known{sha256.Sum256([]byte(token.Token)), token.Name, token.Role})
	}
	return g
}

// letIn stands before every address, known or not.
func (g *guard) letIn(c *gin.Context) {
	if len(g.tokens) > 0 {
		if !g.byToken(c) {
			return
		}
	} else {
		if why := notFromHere(c.Request); why != "" {
			refuse(c, http.StatusForbidden, "a demo lets in only from this machine, and "+why)
			return
		}
		c.Set(actorKey, "loopback")
		c.Set(roleKey, Operator)
	}
	if err := g.cross.Check(c.Request); err != nil {
		refuse(c, http.StatusForbidden, "a page of another site may not change anything here")
	}
}

func (g *guard) byToken(c *gin.Context) bool {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	hash := sha256.Sum256([]byte(token))
	var found *known
	for i := range g.tokens { // all of them, so that the time tells nothing
		if subtle.ConstantTimeCompare(hash[:], g.tokens[i].hash[:]) == 1 {
			found = &g.tokens[i]
		}
	}
	if found == nil || token == "" || !strings.EqualFold(scheme, "Bearer") {
		if token != "" && g.wrong.tooMany(c.Request.RemoteAddr) {
			c.Header("Retry-After", "60")
			refuse(c, http.StatusTooManyRequests, "too many wrong tokens came from this address; wait a minute, or take a right one, which is always let in")
			return false
		}
		c.Header("WWW-Authenticate", `Bearer realm="captchagate"`)
		refuse(c, http.StatusUnauthorized, "a token of admin.tokens is needed, as Authorization: Bearer TOKEN")
		return false
	}
	c.Set(actorKey, found.name)
	c.Set(roleKey, found.role)
	return true
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
	if role, _ := c.Get(roleKey); role != Operator {
		refuse(c, http.StatusForbidden, "the token's role is viewer, which reads only; take an operator's")
	}
}

// actor names who asks, for the audit.
func actor(c *gin.Context) string { return c.GetString(actorKey) }
