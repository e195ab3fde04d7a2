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

// A health check knows the listener that it asks from the configuration alone.
func TestLoadURL_NeedsNoSecrets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "http://127.0.0.1:8080",
		"listen: 0.0.0.0:9000\n":    "http://127.0.0.1:9000", // with no keys in sight
		"listen: \"[::]:9000\"\n":   "http://[::1]:9000",
		"listen: \"127.0.0.1:0\"\n": "", // only the process knows
		"tls: {cert: not-there.pem, key: not-there.pem}\n": "https://127.0.0.1:8080",
	} {
		if url, err := config.LoadURL(write(t, "upstream: {secret_key: \"${NOT_SET}\"}\n"+text), nil); err != nil || url != want {
			t.Errorf("%q: %s (%v), want %s", text, url, err, want)
		}
	}
	if url, err := config.LoadURL(write(t, "log: {level: warn}\n"), []string{"GATEWAY__LISTEN=127.0.0.1:7000"}); err != nil || url != "http://127.0.0.1:7000" {
		t.Errorf("with another listener in the environment: %s (%v)", url, err)
	}
	for _, text := range []string{"listen: nowhere\n", "listen: {\n", "tls: {cert: \"${NOT_SET}\", key: x}\n"} {
		if _, err := config.LoadURL(write(t, text), nil); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
