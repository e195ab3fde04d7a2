package gateway_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/challenge"
	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
)

// Secrets of the configuration, as recognisable as what users send below.
const (
	canaryKey      = "CANARY-api-key-0123456789"
	canaryToken    = "CANARY-operator-token-0123456789"
	canaryID       = "CANARYsecretid"
	canarySecret   = "CANARYsecretkey"
	canaryApp      = "CANARYappsecret"
	canaryPuzzles  = "CANARY-challenge-secret-0123456789abcdef"
	canaryIP       = "203.0.113.77"
	canaryIP6      = "2001:db8:ca:4a::77"
	canaryReferred = "https://canary.example"
)

func canaries(c *config.Config) {
	c.APIKeys = []public.APIKey{{Name: "shop", Key: canaryKey}}
	c.Admin.Tokens = []admin.Token{{Name: "ops", Role: admin.Operator, Token: canaryToken}}
	c.Upstream.SecretID, c.Upstream.SecretKey = canaryID, canarySecret
	c.Upstream.Apps[0].AppSecretKey = canaryApp
	c.Challenge.Secret, c.Challenge.Cost = challenge.Secrets{canaryPuzzles}, 100
	c.Upstream.Deadline, c.Upstream.AttemptTimeout = time.Second, 300*time.Millisecond
}

// S4: nothing that anybody sends, and no secret, is logged at any level or
// becomes a label.
func TestGateway_LogsNothingThatWasSent(t *testing.T) {
	inHouse(t, canaries, func(h *house) {
		sent := h.sendsCanaries()
		for _, kind := range simulator.Kinds() {
			h.breaks(simulator.Fault{Kind: kind})
			for range 3 {
				f := h.canaryUser()
				sent = append(sent, f["ticket"].(string), f["randstr"].(string))
				h.ask(f, "Authorization", "Bearer "+canaryKey)
			}
		}
		h.scripts(`{"Response":{"Error":{"Code":"FailedOperation.x?y=` + canaryIP + `","Message":"CANARY"},"RequestId":"CANARY"}}`)
		h.ask(h.canaryUser(), "Authorization", "Bearer "+canaryKey)
		h.scripts("")
		w, _ := h.send(h.operators, "PUT", "/admin/v1/mode", `{"mode":"degraded","reason":"a drill"}`, "Content-Type", "application/json", "Authorization", "Bearer "+canaryToken)
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		h.ask(h.canaryUser(), "Authorization", "Bearer "+canaryKey)
		metrics, _ := h.send(h.operators, "GET", "/metrics", "", "Authorization", "Bearer "+canaryToken)
		h.free("the log", h.log.String(), sent)
		h.free("/metrics", metrics.Body.String(), sent)
		if n := strings.Count(h.log.String(), "msg=request"); n < 40 { // else nothing was looked at
			t.Errorf("the log tells of %d requests", n)
		}
		if !strings.Contains(metrics.Body.String(), "captchagate_decisions_total") {
			t.Error("no metrics")
		}
	})
}

// canaryUser is a user whose every field can be recognised.
func (h *house) canaryUser() fields {
	f := h.user("login", simulator.TicketValid)
	f["user_ip"], f["subject"], f["reference"] = canaryIP, "CANARY-subject", "CANARY-reference"
	return f
}

// sendsCanaries sends requests that are wrong in every way, and returns what
// else than a canary can be recognised in them.
func (h *house) sendsCanaries() []string {
	key := []string{"Authorization", "Bearer " + canaryKey}
	for _, f := range []fields{
		{"ticket": "CANARY-ticket"}, {"randstr": "CANARY-randstr"}, {"ticket": "CANARY ticket"}, {"ticket": strings.Repeat("CANARY", 1000)},
		{"ticket": "trerror_1001_190000001_1767323045_CANARY"}, {"ticket": "trerror_CANARY"}, {"challenge": "CANARY", "ticket": left},
		{"challenge": base64.StdEncoding.EncodeToString([]byte(`{"CANARY":1}`)), "ticket": left}, {"challenge": "CANARY"},
		{"user_ip": canaryIP6}, {"user_ip": "CANARY"}, {"user_ip": canaryIP + "/24"}, {"scene": "CANARY"}, {"type": "CANARY"},
		{"captcha_app_id": "CANARY"}, {"CANARY": 1}, {"subject": strings.Repeat("CANARY", 100)}, {"reference": strings.Repeat("CANARY", 100)},
	} {
		h.post(request(f), key...)
		h.post(request(f), append([]string{"Idempotency-Key", "CANARY-key" + fmt.Sprint(f), "User-Agent", "CANARY-agent", "Referer", canaryReferred, "Cookie", "CANARY=1", "X-Forwarded-For", canaryIP}, key...)...)
		h.post(request(f), "Authorization", "Bearer CANARY")
	}
	h.post(`{"CANARY`, key...)
	h.post(`CANARY`, key...)
	h.post(request(nil), append(key, "Idempotency-Key", "CANARY\x00")...)
	for path, to := range map[string]http.Handler{
		"/CANARY": h.public, "/v1/CANARY?CANARY=1": h.public, "/v1/mode?scene=CANARY": h.public, "/v1/challenge?scene=CANARY": h.public,
		"/admin/CANARY": h.operators, "/admin/v1/CANARY": h.operators, "/admin/v1/audit?since=CANARY": h.operators,
	} {
		for _, token := range []string{"CANARY", canaryToken} {
			h.send(to, "GET", path, "CANARY", "Authorization", "Bearer "+token, "Origin", canaryReferred, "Content-Type", "text/CANARY")
		}
		h.send(to, "CANARY", "/", "CANARY", "Content-Type", "application/json")
	}
	h.send(h.public, "POST", "/v1/verify", request(nil), append(key, "Content-Type", "text/CANARY")...)
	h.send(h.operators, "PUT", "/admin/v1/mode", `{"mode":"CANARY","CANARY":1}`, "Content-Type", "application/json", "Authorization", "Bearer "+canaryToken)
	return []string{canaryIP, canaryIP6, strings.ToLower(canaryReferred), "canary"}
}

// free checks that a text holds nothing that was sent, as it is or encoded.
func (h *house) free(what, text string, sent []string) {
	h.t.Helper()
	secrets := []string{canaryKey, canaryToken, canaryID, canarySecret, canaryApp, canaryPuzzles, canaryIP}
	for _, s := range slices.Clone(secrets) {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(s)), fmt.Sprintf("%x", s))
	}
	text = strings.ToLower(text)
	for _, s := range append(secrets, sent...) {
		if at := strings.Index(text, strings.ToLower(s)); s != "" && at >= 0 {
			h.t.Errorf("%s holds %q: …%s…", what, s, text[max(0, at-150):min(len(text), at+150)])
		}
	}
}
