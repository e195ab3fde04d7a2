package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"captchagate/simulator"
	"captchagate/tc3"
)

// everything is what callers, pages and who passes by can send, well and badly, all marked.
func (h *hunt) everything() {
	h.t.Helper()
	h.verifications()
	h.siteverifications()
	h.signedCalls()
	h.pages()
}

// verifications are requests of backends: what is right in them, and all that can be wrong.
func (h *hunt) verifications() {
	h.t.Helper()
	for _, scene := range []string{"login", "comment", "payment"} {
		h.verifies(scene, map[string]any{"user_ip": userV6})
	}
	h.verifies("login", nil, "Idempotency-Key: "+h.sends("an idempotency key"), "X-Request-Id: "+h.sends("a request id")+" {}", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"Tracestate: shop="+h.sends("a tracestate"), "User-Agent: "+h.sends("a user agent"), "Referer: https://"+h.sends("a referer")+".example/", "Cookie: a="+h.sends("a cookie"), "X-Forwarded-For: "+userV4)
	long := strings.Repeat(h.sends("a long text"), 100)
	for _, wrong := range []map[string]any{
		{"ticket": h.sends("a made-up ticket")}, {"ticket": long}, {"ticket": "trerror_1001_190000001_1767323045_" + h.sends("a disaster ticket")}, {"ticket": "trerror_" + h.sends("a part of one")},
		{"ticket": map[string]any{h.sends("a member of a ticket"): 1}}, {"randstr": h.sends("a made-up randstr")}, {"randstr": []string{h.sends("a list for a randstr")}},
		{"ticket": nil, "randstr": nil, "challenge": h.sends("a challenge")}, {"challenge": h.sends("a challenge beside a ticket")},
		{"ticket": nil, "randstr": nil, "challenge": base64.StdEncoding.EncodeToString([]byte(`{"challenge":{"` + h.sends("a made-up challenge") + `":1}}`))},
		{"user_ip": h.sends("an address that is none")}, {"user_ip": userV4 + "/24"}, {"scene": h.sends("a scene that is none")}, {"type": h.sends("a type")},
		{"captcha_app_id": h.sends("an app id")}, {"subject": long}, {"reference": long}, {h.sends("a field"): h.sends("a value")},
	} {
		h.verifies("login", wrong)
	}
	shop := "Authorization: Bearer " + h.the("an API key")
	h.asks(http.MethodPost, "/v1/verify", `{"`+h.sends("half a body"), shop)
	h.asks(http.MethodPost, "/v1/verify", `{}`, shop, "Content-Type: text/"+h.sends("a content type"))
	h.asks(http.MethodPost, "/v1/verify", `{}`, shop, "Idempotency-Key: "+h.sends("an idempotency key that is none")+"\x80")
	h.asks(http.MethodPost, "/v1/verify", `{}`, "Authorization: Bearer "+h.sends("a wrong API key"))
	h.asks(http.MethodPost, "/v1/verify?ticket="+h.sends("a query"), strings.Repeat(h.sends("a body that is too long"), 4000), shop)
	h.asks(h.sends("a method"), "/v1/verify", `{}`, shop)
}

// siteverifications are those in the other convention, with what a form can hold.
func (h *hunt) siteverifications() {
	h.t.Helper()
	const form = "Content-Type: application/x-www-form-urlencoded"
	made, err := h.api.Issue(simulator.TicketValid, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	packed, _ := json.Marshal(map[string]any{"v": 1, "ticket": h.marked("a ticket", made[0].Ticket), "randstr": h.marked("a randstr", made[0].Randstr), "captcha_app_id": simulator.DefaultAppID})
	fields := url.Values{"secret": {h.the("an API key")}, "response": {base64.RawURLEncoding.EncodeToString(packed)}, "remoteip": {userV4}, "scene": {"login"}, "idempotency_key": {h.sends("a key of a form")}}
	h.asks(http.MethodPost, "/siteverify", fields.Encode(), form)
	for name, value := range map[string]string{
		"secret": h.sends("a wrong secret"), "response": h.sends("a response"), "remoteip": h.sends("a remoteip"), "scene": h.sends("a scene of a form"),
		"ticket": h.sends("a ticket of a form"), "randstr": h.sends("a randstr of a form"), h.sends("a field of a form"): h.sends("a value of a form"),
	} {
		changed := maps.Clone(fields)
		changed.Set(name, value)
		h.asks(http.MethodPost, "/siteverify", changed.Encode(), form)
	}
	h.asks(http.MethodPost, "/siteverify", `{"secret":"`+h.sends("a wrong secret in JSON")+`","response":["`+h.sends("a list")+`"]}`)
	h.asks(http.MethodPost, "/siteverify", `{"secret":"`+h.the("an API key")+`","response":"trerror_1001_190000001_1_`+h.sends("a disaster ticket of a form")+`","remoteip":"`+userV4+`"}`)
}

// signedCalls are those of an SDK, and of who has none of the accounts.
func (h *hunt) signedCalls() {
	h.t.Helper()
	id, key, app := h.the("SecretId of a shop"), h.the("SecretKey of a shop"), h.the("AppSecretKey")
	for _, call := range [][3]string{
		{id, key, app}, {h.the("SecretId"), h.the("SecretKey"), app}, {id, key, h.sends("a wrong AppSecretKey")},
		{h.sends("a wrong SecretId"), key, app}, {id, h.sends("a wrong SecretKey"), app},
	} {
		made, err := h.api.Issue(simulator.TicketValid, 1)
		if err != nil {
			h.t.Fatal(err)
		}
		body := fmt.Sprintf(`{"%s":"%s","CaptchaType":9,"Ticket":%q,"UserIp":%q,"Randstr":%q,"CaptchaAppId":%d,"AppSecretKey":%q}`,
			h.sends("a parameter"), h.sends("a parameter's value"), h.marked("a ticket", made[0].Ticket), userV4, h.marked("a randstr", made[0].Randstr), simulator.DefaultAppID, call[2])
		now := time.Now().Unix()
		signature := tc3.NewSigner(call[0], call[1], "captcha", "content-type;host", "content-type:application/json\nhost:"+h.gateway.listen+"\n").Authorization([]byte(body), now)
		h.marked("a signature", signature[strings.LastIndexByte(signature, '=')+1:])
		h.asks(http.MethodPost, "/", body, "X-TC-Action: DescribeCaptchaResult", "X-TC-Version: 2019-07-22", fmt.Sprintf("X-TC-Timestamp: %d", now), "Authorization: "+signature, "X-TC-Token: "+h.sends("a token of temporary keys"))
	}
	h.asks(http.MethodGet, "/?"+url.Values{
		"Action": {"DescribeCaptchaResult"}, "Version": {"2019-07-22"}, "SecretId": {id}, "Signature": {h.sends("a wrong signature")}, "SignatureMethod": {"HmacSHA256"},
		"Timestamp": {fmt.Sprint(time.Now().Unix())}, "Nonce": {"1"}, "Ticket": {h.sends("a ticket in a query")}, "UserIp": {userV4}, "AppSecretKey": {app},
	}.Encode(), "")
	h.asks(http.MethodPost, "/", "{}", "X-TC-Action: "+h.sends("an action"), "X-TC-Version: "+h.sends("a version"), "Authorization: "+h.sends("no signature"))
}

// pages is what browsers ask for and report, and who passes by.
func (h *hunt) pages() {
	h.t.Helper()
	for _, path := range []string{"/v1/mode?scene=", "/v1/challenge?scene=", "/v1/app?scene=", "/client/", "/v1/"} {
		h.asks(http.MethodGet, path+h.sends("what is not at "+path), "")
	}
	for _, body := range []string{
		`{"events":[{"code":1001,"scene":"` + h.sends("a scene of a report") + `"}]}`, `{"events":[{"code":1001,"` + h.sends("a member of a report") + `":1}]}`,
		`{"events":[{"code":"` + h.sends("a code of a report") + `"}]}`, h.sends("a report"),
	} {
		h.asks(http.MethodPost, "/v1/client-events", body, "X-Forwarded-For: "+userV4)
	}
}

// solves solves a challenge and brings the solution, then again, and then spoilt.
func (h *hunt) solves() {
	h.t.Helper()
	var asked struct{ Challenge json.RawMessage }
	if err := json.Unmarshal(h.asks(http.MethodGet, "/v1/challenge?scene=login", ""), &asked.Challenge); err != nil {
		h.t.Fatal(err)
	}
	solution, ok := solve(asked.Challenge)
	if !ok {
		h.t.Fatalf("a challenge has no solution: %s", asked.Challenge)
	}
	h.marked("a solution", solution)
	for _, bring := range []string{solution, solution, solution[:len(solution)-9] + "fQ=="} {
		h.verifies("login", map[string]any{"ticket": nil, "randstr": nil, "challenge": bring})
	}
}
