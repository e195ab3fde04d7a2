package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"captchagate/certs/certstest"
	"captchagate/config"
)

const exposedAccount = "upstream: {apps: [{captcha_app_id: 1, app_secret_key: \"${file:KEY}\"}]}\n"

// warningsOf loads a file of a mode, and returns its warnings.
func warningsOf(t *testing.T, text string, mode os.FileMode) []string {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("an-app-secret-key"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := write(t, strings.ReplaceAll(exposedAccount+text, "KEY}", key+"}"))
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, productionEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range c.Warnings() {
		lines = append(lines, strings.TrimPrefix(m.String(), path+":"))
	}
	return lines
}

const (
	beyond = "tokens: [{name: ops, role: operator, token: 0123456789abcdef}]"
	keyed  = "api_keys: [{name: shop, key: 0123456789abcdef}]\n"
	fleet  = "challenge: {secret: 0123456789abcdef}\nadmin: {" + beyond + "}\n"
)

// What leaves the machine in the clear, can be reached or read by others, or bounds nothing,
// has a line that says what to do; the usual beside it has none.
func TestWarnings_NameWhatIsExposed(t *testing.T) {
	for text, want := range map[string]string{
		fleet + "store: {redis: \"redis://:redis-password@redis.internal:6379\", secret: 0123456789abcdef}\n":  "4: store.redis: is plain redis://",
		fleet + "store: {redis: \"rediss://:redis-password@redis.internal:6379\", secret: 0123456789abcdef}\n": "",
		fleet + "store: {redis: \"redis://127.0.0.1:6379\", secret: 0123456789abcdef}\n":                       "",
		"telemetry: {otlp_endpoint: \"http://collector.internal:4318\"}\n":                                     "2: telemetry.otlp_endpoint: is plain http",
		"telemetry: {otlp_endpoint: \"http://127.0.0.1:4318\"}\n":                                              "",
		"client: {script: \"http://cdn.example/TJCaptcha.js\"}\n":                                              "2: client.script: is plain http",
		"client: {script: \"https://cdn.example/TJCaptcha.js\"}\n":                                             "",
		"admin: {listen: \":8081\", " + beyond + "}\n":                                                         "2: admin.listen: can be reached from other machines by plain http",
		"admin: {listen: \"192.0.2.1:8081\", public_url: \"http://gate.example\", " + beyond + "}\n":           "2: admin.listen: can be reached",
		"admin: {listen: \":8081\", public_url: \"https://gate.example\", " + beyond + "}\n":                   "",
		"admin: {listen: \"localhost:8081\", " + beyond + "}\n":                                                "",
		"scenes: {default: {degraded: allow, budget: {total: 10000/s, for: 15m}}}\n":                           "2: scenes.default.budget.total: lets in 10000/s",
		"scenes: {default: {degraded: allow, budget: {total: 600000/m, for: 15m}}}\n":                          "2: scenes.default.budget.total: lets in 600000/m",
		"scenes: {default: {degraded: allow, budget: {total: 9999/s, for: 24h}}}\n":                            "",
		"scenes: {default: {degraded: allow, budget: {total: 10/s, for: 25h}}}\n":                              "2: scenes.default.budget.for: lets in without asking for 25h",
		"script_probe: {url: \"http://cdn.example/TJCaptcha.js\"}\n":                                           "2: script_probe.url: is plain http to another machine",
		"script_probe: {url: \"http://127.0.0.1:8082/TJCaptcha.js\"}\n":                                        "",
		"listen: :28080\n" + keyed:                                  "2: listen: can be reached from other machines by plain http",
		"listen: :28080\ntrusted_proxies: [10.0.0.11/32]\n" + keyed: "",
		"listen: localhost:28080\n" + keyed:                         "",
		"challenge: {cost: 499}\n":                                  "2: challenge.cost: 499 costs a machine next to nothing",
		"challenge: {cost: 500}\n":                                  "",
		keyed:                                                       "",
	} {
		got := warningsOf(t, text, 0o600)
		if (want == "") != (len(got) == 0) || len(got) > 1 || want != "" && !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if strings.Contains(strings.Join(got, ""), "redis-password") {
			t.Errorf("the warning shows a password: %q", got)
		}
	}
}

// A file that every user can read holds no secret, and no key of TLS is one.
func TestWarnings_NameFilesThatEverybodyReads(t *testing.T) {
	keys := "api_keys: [{name: shop, key: 0123456789abcdef}, {name: blog, key: \"0123456789abcdef-2\"}]\n"
	for _, row := range []struct {
		text string
		mode os.FileMode
		want string
	}{
		{keys, 0o644, "2: api_keys[0].key: stands in a file that every user of this machine can read"},
		{keys, 0o640, ""},
		{"api_keys: [{name: shop, key: \"${file:KEY}\"}]\n", 0o644, ""},
		{"challenge: {secret: [0123456789abcdef]}\n", 0o644, "2: challenge.secret[0]: stands in a file"},
		{"challenge: {secret: 0123456789abcdef}\n", 0o604, "2: challenge.secret: stands in a file"},
	} {
		got := warningsOf(t, row.text, row.mode)
		if (row.want == "") != (len(got) == 0) || len(got) > 1 || row.want != "" && !strings.HasPrefix(got[0], row.want) {
			t.Errorf("%s as %v: %q, want %q", row.text, row.mode, got, row.want)
		}
	}
	cert, key := certstest.NewAuthority(t).Issue(t.TempDir(), 1, 90*24*time.Hour)
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		got := warningsOf(t, "tls: {cert: \""+cert+"\", key: \""+key+"\"}\n", 0o600)
		if warns != (len(got) == 1 && strings.HasPrefix(got[0], "2: tls.key: every user of this machine can read "+key+"; take that away: chmod o= ")) || !warns && len(got) > 0 {
			t.Errorf("a key of %v: %q", mode, got)
		}
	}
}
