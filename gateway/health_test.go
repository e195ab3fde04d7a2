package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/simulator"
)

// What a page learns about its scene: who decides now, and what the scene does
// while degraded.
func TestMode_TellsAPageAboutItsScene(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		tells := func(when, scene, mode string) {
			h.t.Helper()
			w, _ := h.send(h.public, "GET", "/v1/mode?scene="+scene, "")
			want := `{"action":"` + sceneActions[scene] + `","mode":"` + mode + `"}`
			if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != want {
				h.t.Errorf("%s: %s is told %d %s, want %s", when, scene, w.Code, w.Body, want)
			}
		}
		for scene := range sceneActions {
			tells("in peace", scene, "normal")
		}
		h.throws(`{"mode":"degraded","reason":"test","scene":"login","share":0.1}`)
		tells("in a drill", "login", "degraded")
		tells("in another's drill", "comment", "normal")
		h.throws(`{"mode":"normal","reason":"test"}`)
		tells("forced normal over a drill", "login", "normal")
		h.throws(`{"mode":"auto","reason":"test","scene":"login"}`)
		h.throws(`{"mode":"auto","reason":"test"}`)
		h.outage(simulator.Reset)
		for scene := range sceneActions {
			tells("circuit open", scene, "degraded")
		}
		h.throws(`{"mode":"normal","reason":"test"}`)
		tells("circuit open, forced normal", "login", "normal")
		for _, scene := range []string{"nowhere", "", "login%20"} {
			w, _ := h.send(h.public, "GET", "/v1/mode?scene="+scene, "")
			h.refuses("scene "+scene, w, http.StatusBadRequest, "scene")
		}
	})
}

// Neither the Captcha API's health nor the switch concerns whoever looks after
// the process.
func TestHealth_IsNotTheAPIs(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for _, when := range []string{"in peace", "in an outage", "with the account refused"} {
			switch when {
			case "in an outage":
				h.outage(simulator.Refuse)
			case "with the account refused":
				h.breaks(simulator.Fault{Kind: simulator.Arrears})
				time.Sleep(10 * time.Second)
			}
			for _, path := range []string{"/healthz", "/readyz"} {
				if w, _ := h.send(h.public, "GET", path, ""); w.Code != http.StatusOK {
					t.Errorf("%s: %s answers %d %s", when, path, w.Code, w.Body)
				}
			}
		}
		w, _ := h.send(h.public, "POST", "/healthz", "")
		h.refuses("POST", w, http.StatusMethodNotAllowed)
	})
}

// Pages of the configured origins may read the answers, and no others.
func TestCORS_LetsConfiguredOriginsRead(t *testing.T) {
	origins := func(c *config.Config) {
		c.Client.AllowedOrigins = []string{"https://shop.example", "https://blog.example:8443"}
	}
	inHouse(t, origins, func(h *house) {
		for origin, allowed := range map[string]bool{
			"https://shop.example": true, "https://blog.example:8443": true, "https://blog.example": false, "http://shop.example": false,
			"https://shop.example.evil.example": false, "https://evil.example": false, "null": false, "": false, "*": false,
		} {
			for path, status := range map[string]int{"/v1/mode?scene=login": 200, "/v1/challenge?scene=login": 409, "/v1/challenge?scene=nowhere": 400} {
				w, _ := h.send(h.public, "GET", path, "", "Origin", origin)
				got := w.Header().Get("Access-Control-Allow-Origin")
				if w.Code != status || (got != "") != allowed || allowed && got != origin {
					t.Errorf("%q at %s: %d and Access-Control-Allow-Origin %q", origin, path, w.Code, got)
				}
				if w.Header().Get("Vary") != "Origin" {
					t.Errorf("%q at %s: Vary is %q; a cache would mix origins up", origin, path, w.Header().Get("Vary"))
				}
			}
			w := h.post(request(nil), "Origin", origin)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%q may read /v1/verify: %q", origin, got)
			}
		}
	})
}

// Every answer carries the caller's request id, or a new one.
func TestRequestID_IsEchoedOrMade(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		long := strings.Repeat("i", 128)
		for sent, echoed := range map[string]bool{
			"abc-123": true, "with blanks": true, long: true, long + "i": false, "": false, "line\nend": false, "beyond ASCII é": false, "\x00": false,
		} {
			seen := map[string]bool{}
			for _, path := range []string{"/v1/verify", "/v1/mode", "/v1/challenge", "/healthz", "/nowhere"} {
				w, _ := h.send(h.public, "GET", path, "", "X-Request-Id", sent)
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
