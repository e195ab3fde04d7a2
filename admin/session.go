package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// sessionCookie is what a browser shows in place of the token.
const (
	sessionCookie = "captchagate_session"
	sessionLife   = 12 * time.Hour
)

// Parts of a session, in bytes: when it ends, in Unix seconds; what makes it differ from
// others; and the MAC of both under the token. Whoever knows the token knows the session,
// so nothing is kept: every instance of a fleet lets it in, and a restart changes nothing.
const (
	sessionEnd    = 8
	sessionNonce  = 16
	sessionSigned = sessionEnd + sessionNonce
	sessionBytes  = sessionSigned + sha256.Size
)

// sessionKey is what a token signs sessions with.
func sessionKey(token string) []byte {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("captchagate session 1"))
	return mac.Sum(nil)
}

// newSession returns a session of the token's that begins now.
func (k *known) newSession(now time.Time) string {
	text := binary.BigEndian.AppendUint64(nil, uint64(now.Add(sessionLife).Unix()))
	nonce := make([]byte, sessionNonce)
	_, _ = rand.Read(nonce) // it never fails
	text = append(text, nonce...)
	return base64.RawURLEncoding.EncodeToString(append(text, k.sign(text)...))
}

func (k *known) sign(text []byte) []byte {
	mac := hmac.New(sha256.New, k.session)
	mac.Write(text)
	return mac.Sum(nil)
}

// bySession returns whose session it is and when it ends. Nobody's is forged, of a token
// that is gone, over, or no session at all; a guess is one that would have been let in
// under another token.
func (g *guard) bySession(value string, now time.Time) (found *known, ends time.Time, guess bool) {
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(text) != sessionBytes {
		return nil, ends, false
	}
	seconds := binary.BigEndian.Uint64(text)
	if latest := now.Add(sessionLife).Unix(); seconds > uint64(latest) || seconds <= uint64(now.Unix()) {
		return nil, ends, false
	}
	for i := range g.tokens {
		if hmac.Equal(text[sessionSigned:], g.tokens[i].sign(text[:sessionSigned])) {
			found = &g.tokens[i]
		}
	}
	return found, time.Unix(int64(seconds), 0), found == nil
}

// setSession gives a browser a session, or takes it away if value is "".
func (s *Server) setSession(c *gin.Context, value string) {
	life := int(sessionLife / time.Second)
	if value == "" {
		life = -1
	}
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Secure if there is TLS
		Name: sessionCookie, Value: value, Path: "/", MaxAge: life,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.secure(c.Request),
	})
}

// secure reports whether the browser is on TLS: with this listener, or with a proxy in
// front of it, which public_url tells of. Who comes by another name, such as 127.0.0.1 on
// the machine itself, comes without the proxy.
func (s *Server) secure(r *http.Request) bool {
	return r.TLS != nil || s.public != nil && s.public.Scheme == "https" && strings.EqualFold(strings.TrimSuffix(r.Host, ":443"), strings.TrimSuffix(s.public.Host, ":443"))
}

// lostCookie reports whether a browser takes no secure cookie, because it came to the
// public address by plain http.
func (s *Server) lostCookie(r *http.Request) bool {
	return s.secure(r) && r.TLS == nil && strings.HasPrefix(r.Header.Get("Origin"), "http://")
}
