package public_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"captchagate/api"
)

// Whoever reaches the listener can read the contract, as a program and as a person: one
// page without scripts, with nothing of another host, under a policy that allows no more.
func TestDocs_AreThereForProgramsAndPeople(t *testing.T) {
	atDoor(t, shopAndBlog, func(d *door) {
		for _, method := range []string{"GET", "HEAD"} {
			w := d.send(method, "/openapi.yaml", "")
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/yaml" || w.Body.String() != string(api.OpenAPI) {
				t.Errorf("%s /openapi.yaml: %d %s, %d bytes", method, w.Code, w.Header(), w.Body.Len())
			}
		}
		page := d.send("GET", "/docs/", "")
		text := page.Body.String()
		if page.Code != http.StatusOK || !strings.Contains(text, "POST /siteverify") || strings.Contains(text, "<script") {
			t.Errorf("/docs/: %d, %d bytes", page.Code, len(text))
		}
		for _, of := range regexp.MustCompile(`(?:src|href)="([^#"]*)"`).FindAllStringSubmatch(text, -1) {
			if of[1] != "docs.css" && of[1] != "../openapi.yaml" && of[1] != "data:," {
				t.Errorf("the page loads or links %s", of[1])
			}
		}
		if policy := page.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; ") || strings.Contains(policy, "script-src") {
			t.Errorf("its policy is %s", policy)
		}
		style := d.bareGet("/docs/docs.css")
		if style.Code != http.StatusOK || !strings.HasPrefix(style.Header().Get("Content-Type"), "text/css") || strings.Contains(style.Body.String(), "url(") {
			t.Errorf("its style: %d %v", style.Code, style.Header())
		}
		if w := d.bareGet("/docs"); w.Code != http.StatusPermanentRedirect || w.Header().Get("Location") != "/docs/" {
			t.Errorf("/docs: %d to %s", w.Code, w.Header().Get("Location"))
		}
		for _, path := range []string{"/docs/index.html", "/docs/../../go.mod", "/docs/x"} {
			if w := d.bareGet(path); w.Code != http.StatusNotFound {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
	})
}
