package public

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// callers are the backends that may ask, by the hash of their key: looking a
// hash up tells nothing about the key.
type callers struct {
	open  bool // no keys are configured: whoever reaches the listener
	byKey map[[sha256.Size]byte]*caller
}

// caller is one backend.
type caller struct {
	name   string
	scenes []string // none = all
}

func newCallers(keys []APIKey) *callers {
	cs := &callers{open: len(keys) == 0, byKey: map[[sha256.Size]byte]*caller{}}
	for _, k := range keys {
		cs.byKey[sha256.Sum256([]byte(k.Key))] = &caller{name: k.Name, scenes: k.Scenes}
	}
	return cs
}

var anybody = &caller{}

// find returns the caller of a key.
func (cs *callers) find(key string) (*caller, bool) {
	if cs.open {
		return anybody, true
	}
	c, ok := cs.byKey[sha256.Sum256([]byte(key))]
	return c, ok
}

// may reports whether the caller may ask about the scene.
func (c *caller) may(scene string) bool {
	return len(c.scenes) == 0 || slices.Contains(c.scenes, scene)
}

// anyScene is one that the caller may ask about, for a request that does not say.
func (c *caller) anyScene() string {
	if len(c.scenes) > 0 {
		return c.scenes[0]
	}
	return defaultScene
}

// authenticate finds the caller of a request, or refuses it.
func (s *Server) authenticate(c *gin.Context) (*caller, bool) {
	key := ""
	if scheme, rest, ok := strings.Cut(c.GetHeader("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(rest)
	}
	who, ok := s.callers.Load().find(key)
	if !ok {
		c.Header("WWW-Authenticate", `Bearer realm="captchagate"`)
		refuse(c, http.StatusUnauthorized, `send "Authorization: Bearer <key>" with a key of api_keys`)
		c.Set(detailKey, unknownKey(c.GetHeader("Authorization"), key)) // for the log alone
	}
	if ok && who != anybody {
		s.vouch(c.Request.Context())
	}
	return who, ok
}

// unknownKey tells those who read the log what the caller is not told: which mistake it
// made with its key.
func unknownKey(header, key string) string {
	switch {
	case header == "":
		return "no key was sent"
	case key == "":
		return "Authorization was sent, and not as: Bearer KEY"
	}
	return "the key is none of api_keys"
}
