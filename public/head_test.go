package public_test

import (
	"net/http"
	"strings"
	"testing"
)

// HEAD works wherever GET does: Tencent's load balancer asks for health so. The
// server leaves the body out.
func TestHead_WorksWhereGetDoes(t *testing.T) {
	atDoor(t, nil, func(d *door) {
		for _, path := range []string{"/healthz", "/readyz", "/v1/mode?scene=login", "/v1/challenge?scene=login", "/nowhere", "/v1/verify", "/v1/client-events"} {
			get, head := d.send(http.MethodGet, path, ""), d.send(http.MethodHead, path, "")
			if get.Code != head.Code {
				t.Errorf("%s: HEAD answers %d, GET %d", path, head.Code, get.Code)
			}
		}
		if w := d.send(http.MethodDelete, "/readyz", ""); w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), "HEAD") {
			t.Errorf("DELETE answers %d, Allow %q", w.Code, w.Header().Get("Allow"))
		}
	})
}
