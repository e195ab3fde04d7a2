package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"captchagate/simulator"
)

// S4, with everything on that tells somebody something: a whole outage in which every secret
// and all that anybody sends is marked, and then no mark in anything that the gateway wrote,
// showed or told, in whatever form.
func TestServe_ShowsNothingMarkedInAWholeOutage(t *testing.T) {
	t.Parallel()
	h := newHunt(t)
	h.peace()
	h.outage()
	h.operators()
	h.recovery()
	h.mistakes()
	h.withoutRedis()
	h.look()
}

// peace is what comes while all is well.
func (h *hunt) peace() {
	h.t.Helper()
	if a := h.verifies("login", nil); a.Reason != "verified" {
		h.t.Fatalf("a good ticket: %+v", a)
	}
	h.everything()
}

// outage goes on until the circuit is open, and sends everything once more.
func (h *hunt) outage() {
	h.t.Helper()
	h.breaks(simulator.InternalError)
	eventually(h.t, "the circuit opens", func() bool { return h.verifies("comment", nil).Cause == "circuit_open" })
	h.everything()
	for range 3 {
		a := h.verifies("comment", nil)
		if a.Reason != "degraded_allow" {
			h.t.Errorf("in the outage: %+v", a)
		}
	}
	h.solves()
}

func (h *hunt) breaks(kind simulator.Kind) {
	h.t.Helper()
	if err := h.api.SetFault(simulator.Fault{Kind: kind}); err != nil {
		h.t.Fatal(err)
	}
}

// theReason is what operators say in the hunt. It is meant to show: that it does says that
// the places are looked at.
const theReason = "a look at everything"

// operators force modes from the command, the API and the form, and send what is wrong.
func (h *hunt) operators() {
	h.t.Helper()
	h.run("mode", "degraded", "--reason", theReason, "--for", "1h")
	if _, err := h.watching.await(h.watching.stdout, theReason); err != nil {
		h.t.Error(err)
	}
	h.everything()
	ask(h.t, http.MethodPut, h.room("/admin/v1/mode"), `{"mode":"normal","reason":"`+theReason+`","for":"1h"}`)
	h.verifies("comment", nil)
	cookie := "Cookie: captchagate_session=" + h.session
	for _, form := range []string{
		"mode=degraded&reason=" + url.QueryEscape(theReason) + "&scene=login&share=0.5&for=1h", "mode=auto&reason=" + url.QueryEscape(theReason),
		"mode=" + h.sends("a mode in a form") + "&reason=x&scene=" + h.sends("a scene in a form") + "&for=" + h.sends("a time in a form") + "&" + h.sends("a field of a form") + "=1",
	} {
		ask(h.t, http.MethodPost, h.room("/mode"), form, cookie, "Authorization: ", "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin")
	}
	for _, token := range []string{h.sends("a wrong token"), h.sends("another wrong token")} {
		ask(h.t, http.MethodGet, h.room("/admin/v1/status"), "", "Authorization: Bearer "+token)
		ask(h.t, http.MethodGet, h.room("/?token="+token), "", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("ops:"+token)))
		if h.logsIn(token) != "" {
			h.t.Error("a wrong token logs in")
		}
	}
	ask(h.t, http.MethodGet, h.room("/"), "", "Authorization: ", "Cookie: captchagate_session="+h.sends("a session that is none"))
	for _, path := range []string{"/admin/" + h.sends("a path"), "/admin/v1/audit?since=" + h.sends("a query"), "/admin/v1/incidents/" + h.sends("an incident's id"), "/admin/v1/sla?month=" + h.sends("a month")} {
		ask(h.t, http.MethodGet, h.room(path), "")
	}
	ask(h.t, http.MethodPut, h.room("/admin/v1/mode"), `{"mode":"`+h.sends("a mode")+`","`+h.sends("a member")+`":1,"scene":"`+h.sends("a scene")+`"}`)
	ask(h.t, http.MethodPost, h.room("/admin/v1/who"), `{"ip":"`+userV4+`","subject":"`+h.the("a subject")+`"}`)
	h.run("mode", "auto", "--reason", theReason)
	h.run("mode", "auto", "--scene", "login", "--reason", theReason)
}

// recovery has the API come back, and everybody who was let through be asked about again,
// which a webhook that fails keeps to be read.
func (h *hunt) recovery() {
	h.t.Helper()
	h.api.ClearFault()
	eventually(h.t, "the circuit closes", func() bool { return h.status().Breaker.State == "closed" })
	eventually(h.t, "reports are sent", func() bool { _, times := h.reports.got(); return times > 0 })
	eventually(h.t, "alarms are sent again", func() bool { _, times := h.alarms.got(); return times > 1 })
	h.alarms.answers(http.StatusNoContent)
	h.run("alarms", "test")
	h.breaks(simulator.AuthFailure)
	h.verifies("login", nil)
	h.api.ClearFault()
	h.everything()
}

// mistakes are in the file that is loaded: secrets, where something else belongs.
func (h *hunt) mistakes() {
	h.t.Helper()
	good := mustRead(h.t, h.config())
	for _, change := range [][2]string{
		{"api_keys: [{name: shop, key: ", "api_keys: [{name: shop, scenes: [" + h.sends("a scene of a key") + "], key: "},
		{"challenge: {cost: 100}", "challenge: {cost: 100, secret: [" + h.sends("a secret, and a map") + ": 1]}"},
		{"alarms: {webhook: ", "alarms: {format: json, " + h.sends("a key that is none") + ": 1, webhook: "},
	} {
		h.write(strings.Replace(good, change[0], change[1], 1))
		if status, body := ask(h.t, http.MethodPost, h.room("/admin/v1/reload"), ""); status != http.StatusUnprocessableEntity {
			h.t.Errorf("a bad file is loaded: %d %s", status, body)
		}
	}
	h.gateway.send(h.t, syscall.SIGHUP)
	if _, err := h.gateway.await(h.gateway.stderr, `not reloaded`); err != nil {
		h.t.Fatal(err)
	}
	h.write(good)
	h.run("reload")
}

// withoutRedis is a fleet that cannot reach its Redis, and says so.
func (h *hunt) withoutRedis() {
	h.t.Helper()
	h.redis.Kill()
	eventually(h.t, "Redis is away", func() bool { s := h.status(); return s.Fleet != nil && s.Fleet.Redis == "down" })
	h.verifies("login", nil)
	h.everything()
}
