package gateway_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"captchagate/api/apitest"
	"captchagate/simulator"
)

// FuzzVerify sends any body. Each is answered with a decision or with what is
// wrong in it, in the contract's form, and only JSON objects are decided about.
func FuzzVerify(f *testing.F) {
	for _, seed := range []string{
		`{"ticket":"tr03abc","randstr":"@x1","user_ip":"192.0.2.7"}`,
		`{"ticket":"trerror_1001_190000001_1700000000","randstr":"@x1","user_ip":"2001:db8::1","scene":"comment","subject":"s","reference":"r","type":"web","captcha_app_id":190000001}`,
		`{"challenge":"e30=","user_ip":"192.0.2.7","scene":"login"}`, `{"ticket":"","challenge":"","user_ip":""}`,
		`{"ticket":"\ud800","randstr":"\u0000","user_ip":"192.0.2.7%eth0"}`, `{"ticket":1,"ticket":null,"user_ip":[]}`, `{"captcha_app_id":1e3,"user_ip":"::"}`,
		``, `null`, `[]`, `"x"`, `{`, `{}{}`, "{\"\xff\":1}", `{"ticket":"a","user_ip":"192.0.2.7","type":"mini"} `,
	} {
		f.Add([]byte(seed))
	}
	account := accountOf(testConfig(f.TempDir()))
	account.Latency = simulator.NoLatency
	h := handlerOf(f, simulator.New(account), "auto", slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/verify", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8080"
		w := httptest.NewRecorder()
		apitest.Handler(t, h).ServeHTTP(w, r)
		var object map[string]any
		switch err := json.Unmarshal(body, &object); {
		case w.Code == http.StatusOK && (err != nil || object["user_ip"] == nil):
			t.Errorf("decided about %q: %s", body, w.Body)
		case w.Code != http.StatusOK && w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge:
			t.Errorf("%d for %q: %s", w.Code, body, w.Body)
		}
	})
}

// FuzzSiteverify sends any body as any type. Each is answered with 200 in the contract's
// form, and nobody is decided about without a secret.
func FuzzSiteverify(f *testing.F) {
	const form, object, parts = "application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x"
	account := accountOf(testConfig(f.TempDir()))
	account.Latency = simulator.NoLatency
	sim := simulator.New(account)
	tickets, err := sim.Issue(simulator.TicketValid, 1)
	if err != nil {
		f.Fatal(err)
	}
	good := siteForm(fields{"ticket": tickets[0].Ticket, "randstr": tickets[0].Randstr, "user_ip": "192.0.2.7", "scene": "login"})
	for kind, bodies := range map[string][]string{
		form: {
			good.Encode(), "", "&&=&", "secret=%zz&response=%", "secret=shop-key-0123456789&response=trerror_1001_190000001_1700000000&remoteip=::1&scene=comment",
			"response=&ticket=a&randstr=b&remoteip=192.0.2.7", "response={%22challenge%22:{}}&remoteip=192.0.2.7&idempotency_key=k", "remoteip=1&remoteip=2", "response=eyJ2IjoxfQ&remoteip=::",
		},
		object: {`{"secret":"shop-key-0123456789","response":"e30=","remoteip":"192.0.2.7"}`, `{"response":{"challenge":1},"remoteip":"::1"}`, `{"secret":[]}`, `null`, `{`},
		parts:  {"--x\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\nshop-key-0123456789\r\n--x\r\nContent-Disposition: form-data; name=\"remoteip\"\r\n\r\n::1\r\n--x--\r\n", "--x--", "--x\r\n"},
		"":     {"secret=x"},
	} {
		for _, body := range bodies {
			f.Add(kind, []byte(body))
		}
	}
	h := handlerOf(f, sim, "auto", slog.New(slog.DiscardHandler), shopAndBlog)
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/siteverify", bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8080"
		w := httptest.NewRecorder()
		apitest.Handler(t, h).ServeHTTP(w, r)
		var said struct {
			Success bool   `json:"success"`
			ID      string `json:"decision_id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != http.StatusOK {
			t.Errorf("%d %s for %q", w.Code, w.Body, body)
		}
		if said.ID != "" && !bytes.Contains(body, []byte("-key-0123456789")) && !bytes.ContainsAny(body, `%\=`) {
			t.Errorf("decided without a secret: %q", body)
		}
	})
}
