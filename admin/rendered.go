package admin

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// rendered are the parts of the dashboard as they were rendered last: they are the same for
// all who look, however many those are.
type rendered struct {
	happened atomic.Uint64 // how often something did, after which all is rendered anew

	mu    sync.Mutex
	parts map[string]renderedPart
}

type renderedPart struct {
	at       time.Time
	happened uint64
	page     []byte
}

// renderOnce answers with a part, which is rendered anew if it is older than that.
func (s *Server) renderOnce(c *gin.Context, name string, life time.Duration, values func(context.Context) (any, error)) {
	key := name + life.String()
	s.rendered.mu.Lock()
	defer s.rendered.mu.Unlock() // the others wait for what the first one makes
	part, happened := s.rendered.parts[key], s.rendered.happened.Load()
	if time.Since(part.at) >= life || part.happened != happened {
		of, err := values(c.Request.Context())
		if err != nil {
			s.cannotRender(c, name, err)
			return
		}
		if part.page, err = page(name, of); err != nil {
			s.cannotRender(c, name, err)
			return
		}
		part.at, part.happened = time.Now(), happened
		s.rendered.parts[key] = part
	}
	sendPage(c, http.StatusOK, part.page)
}
