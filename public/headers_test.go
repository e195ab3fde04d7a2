package public_test

import (
	"strings"
	"testing"

	"captchagate/public"
)

// Pages of the configured origins may read the answers, and no others.
func TestCORS_LetsConfiguredOriginsRead(t *testing.T) {
	origins := func(c *public.Config) {
		c.AllowedOrigins = []string{"https://shop.example", "https://blog.example:8443"}
	}
	atDoor(t, origins, func(d *door) {
		for origin, allowed := range map[string]bool{
			"https://shop.example": true, "https://blog.example:8443": true, "https://blog.example": false, "http://shop.example": false,
			"https://shop.example.evil.example": false, "https://evil.example": false, "null": false, "": false, "*": false,
		} {
			for path, status := range map[string]int{"/v1/mode?scene=login": 200, "/v1/challenge?scene=login": 409, "/v1/challenge?scene=nowhere": 400} {
				w := d.send("GET", path, "", "Origin", origin)
				got := w.Header().Get("Access-Control-Allow-Origin")
				if w.Code != status || (got != "") != allowed || allowed && got != origin {
					t.Errorf("%q at %s: %d and Access-Control-Allow-Origin %q", origin, path, w.Code, got)
				}
				if exposed := w.Header().Get("Access-Control-Expose-Headers"); (exposed == "Date") != allowed {
					t.Errorf("%q at %s: Access-Control-Expose-Headers is %q", origin, path, exposed)
				}
				if w.Header().Get("Vary") != "Origin" {
					t.Errorf("%q at %s: Vary is %q; a cache would mix origins up", origin, path, w.Header().Get("Vary"))
				}
			}
			w := d.post(request(nil), "Origin", origin)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%q may read /v1/verify: %q", origin, got)
			}
		}
	})
}

// Every answer carries the caller's request id, or a new one.
func TestRequestID_IsEchoedOrMade(t *testing.T) {
	atDoor(t, nil, func(d *door) {
		long := strings.Repeat("i", 64)
		for sent, echoed := range map[string]bool{
			"abc-123": true, "with blanks": false, "A.b_c-9": true, "<script>": false, "tr03ticket*": false, long: true, long + "i": false, "": false, "line\nend": false, "beyond ASCII é": false, "\x00": false,
		} {
			seen := map[string]bool{}
			for _, path := range []string{"/v1/verify", "/v1/mode", "/v1/challenge", "/healthz", "/nowhere"} {
				w := d.send("GET", path, "", "X-Request-Id", sent)
				got := w.Header().Get("X-Request-Id")
				if echoed != (got == sent) || got == "" {
					t.Errorf("%q at %s came back as %q", sent, path, got)
				}
				seen[got] = true
			}
			if want := map[bool]int{true: 1, false: 5}[echoed]; len(seen) != want {
				t.Errorf("%q: %d different ids, want %d", sent, len(seen), want)
			}
		}
	})
}
