package gateway_test

import (
	"bytes"
	"encoding/json"
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
	h := handlerOf(f, simulator.New(account), "auto")
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
