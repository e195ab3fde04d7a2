package config_test

import (
	"testing"

	"captchagate/config"
)

// The commands need the operators' address and token file and nothing else: neither the
// account's secrets, which an operator's terminal has not, nor the tokens'.
func TestLoadAdmin_NeedsNoSecrets(t *testing.T) {
	const beyond = "admin: {tokens: [{name: ops, role: operator, token: \"${NOT_SET}\"}], listen: "
	for text, want := range map[string]string{
		"":                                   "http://127.0.0.1:8081",
		beyond + "\":9000\"}\n":              "http://127.0.0.1:9000",
		beyond + "\"[::]:9000\"}\n":          "http://[::1]:9000",
		beyond + "10.0.0.7:9000}\n":          "http://10.0.0.7:9000",
		"admin: {listen: \"127.0.0.1:0\"}\n": "", // only the process knows
		"admin: {tokens: [{name: ops, role: operator, token: \"${NOT_SET}\"}]}\n": "http://127.0.0.1:8081",
	} {
		a, err := config.LoadAdmin(write(t, "upstream: {secret_key: \"${NOT_SET}\"}\n"+text), nil)
		if err != nil || a.URL() != want {
			t.Errorf("%q: %s (%v), want %s", text, a.URL(), err, want)
		}
	}
	for _, text := range []string{"admin: {listen: nowhere}\n", "admin: {\n", "admin: {token_file: \"${NOT_SET}\"}\n"} {
		if _, err := config.LoadAdmin(write(t, text), nil); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, err := config.LoadAdmin("nowhere.yaml", nil); err == nil {
		t.Error("a file that is not there is taken")
	}
}
