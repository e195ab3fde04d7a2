package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

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
