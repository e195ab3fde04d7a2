package config_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"captchagate/admin"
	"captchagate/certs"
	"captchagate/challenge"
	"captchagate/config"
	"captchagate/public"
	"captchagate/store"
	"captchagate/strictyaml"
	"captchagate/upstream"
)

// leak is part of every secret of these tests.
const leak = "hunter2"

func TestYAML_ShowsNoSecret(t *testing.T) {
	c := config.Defaults()
	c.Upstream.SecretID, c.Upstream.SecretKey = leak+"-id", leak+"-key"
	c.Upstream.Apps = []upstream.App{{CaptchaAppID: 190000001, AppSecretKey: leak + "-app"}}
	c.APIKeys = []public.APIKey{{Name: "shop", Key: leak + "-api"}}
	c.Admin.Tokens = []admin.Token{{Name: "ops", Role: admin.Operator, Token: leak + "-token"}}
	c.Challenge.Secret, c.Reverify.Secret = challenge.Secrets{leak + "-challenge", leak + "-earlier"}, leak+"-reverify"
	c.Reverify.Webhook = "https://user:" + leak + "@shop.example/services/" + leak + "?token=" + leak
	c.Alarms.Webhook, c.Alarms.Secret = "https://oapi.dingtalk.com/robot/send?access_token="+leak, leak+"-alarms"
	c.Store.Redis, c.Store.Secret = store.Redis{"redis-sentinel://user:" + leak + "@h1:26379,h2:26379/master", "rediss://user:" + leak + "@h1:6379"}, leak+"-fleet"
	c.Upstream.SessionToken, c.DropIn.Credentials = leak+"-session", []public.Credential{{SecretID: leak + "-shop", SecretKey: leak + "-shop-key"}}
	c.Client.Script = "https://host.example/%zz?" + leak // not even an address
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), leak) {
		t.Errorf("a secret shows:\n%s", text)
	}
	if got := strings.Count(string(text), "[redacted]"); got != 18 {
		t.Errorf("%d values are redacted, want 18:\n%s", got, text)
	}
	if !strings.Contains(string(text), "webhook: https://shop.example/[redacted]\n") {
		t.Errorf("the webhook's host is lost with its password and path:\n%s", text)
	}
}

// The path of a key's file is shown, and what stands in one is not, should somebody have
// written that in its place.
func TestYAML_ShowsPathsOfKeys(t *testing.T) {
	c := config.Defaults()
	c.TLS = certs.Config{Cert: "/etc/tls/cert.pem", Key: "/etc/tls/key.pem"}
	c.Admin.TLS = certs.Config{Cert: "/etc/tls/cert.pem", Key: "-----BEGIN PRIVATE KEY-----\n" + leak + "\n-----END PRIVATE KEY-----\n"}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "key: /etc/tls/key.pem\n") || strings.Contains(string(text), leak) {
		t.Errorf("it shows:\n%s", text)
	}
}

// A key that is added to the configuration and sounds secret must be one that
// YAML redacts.
func TestYAML_RedactsEveryKeyThatSoundsSecret(t *testing.T) {
	var c config.Config
	found := fill(reflect.ValueOf(&c).Elem())
	if found != 12 {
		t.Errorf("found %d secrets, want 12: has a new one been added here and to the file of bad secrets?", found)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), leak) {
		t.Errorf("a secret shows:\n%s", text)
	}
}

// fill writes a secret into every text whose name sounds like one, and counts.
func fill(v reflect.Value) (found int) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if !field.CanSet() || strings.HasSuffix(v.Type().Field(i).Tag.Get("yaml"), ",path") {
			continue // no key of the file, or the path of one
		}
		if field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct && field.Type().Elem().PkgPath() != "net/netip" {
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			found += fill(field.Index(0))
		}
		if field.Kind() == reflect.Struct {
			found += fill(field)
		}
		for _, sound := range []string{"Secret", "Key", "Token", "Password"} {
			if secrets, ok := reflect.TypeAssert[*challenge.Secrets](field.Addr()); ok {
				*secrets = challenge.Secrets{leak}
				found++
				break
			}
			if field.Kind() == reflect.String && strings.Contains(name, sound) {
				field.SetString(leak)
				found++
				break
			}
		}
	}
	return found
}

func TestMistakes_ShowNoSecret(t *testing.T) {
	tests := []struct {
		name, text string
		environ    []string
	}{
		{"no key before it", "upstream:\n  " + leak + " " + leak + "\n  region: x\n", nil},
		{"no space before it", "upstream:\n  secret_key:" + leak + "\n  region: x\n", nil},
		{"no space before it, alone", "upstream:\n  secret_key:" + leak + "\n", nil},
		{"in place of a section", "upstream: " + leak + "\n", nil},
		{"in place of an app", "upstream: {apps: [" + leak + "]}\n", nil},
		{"under a mistyped key", "upstream: {secret_kye: " + leak + "}\n", nil},
		{"twice", "upstream: {secret_key: " + leak + ", secret_key: " + leak + "}\n", nil},
		{"behind a bar", "upstream:\n  secret_key: |" + leak + "\n", nil},
		{"in open quotes", "upstream:\n  secret_key: \"" + leak + "\n", nil},
		{"with a space", "upstream: {secret_id: " + leak + " x, secret_key: " + leak + " x, apps: [{captcha_app_id: 0, app_secret_key: " + leak + " x}]}\n", nil},
		{"anchored", "upstream: {secret_key: &a " + leak + "}\n", nil},
		{"keys", "api_keys: [{name: a, key: " + leak + "}, {name: a, key: " + leak + "}, {name: b, key: " + leak + " x}]\n", nil},
		{"tokens", "admin: {tokens: [{name: a, role: x, token: " + leak + "}, {name: a, role: x, token: " + leak + "}]}\n", nil},
		{"challenge and reports", "challenge: {secret: " + leak + ", cost: 1}\nreverify: {secret: " + leak + ", webhook: \"" + leak + "\"}\n", nil},
		{"in an address", "store: {path: x, redis: \"redis://:" + leak + "@127.0.0.1:99999/0\"}\nupstream: {endpoint: \"https://" + leak + "@host\"}\n" +
			"script_probe: {url: \"ftp://" + leak + "@host\"}\ntelemetry: {otlp_endpoint: \"x://" + leak + "\"}\n", nil},
		{"the wrong variable", "listen: ${SECRET}\nlog: {level: \"${SECRET}\"}\nbreaker: {window: \"${SECRET}\"}\nscenes: {login: {degraded: \"${SECRET}\"}}\n" +
			"upstream: {max_attempts: \"${SECRET}\"}\ntrusted_proxies: [\"${SECRET}\"]\ndrop_in: {scene: \"${SECRET}\"}\n" +
			"client: {allowed_origins: [\"${SECRET}\"]}\nadmin: {listen: \"${SECRET}\", tokens: [{name: a, role: \"${SECRET}\"}]}\n", []string{"SECRET=" + leak}},
		{"the wrong variable, with quotes", "log: {level: \"${SECRET}\"}\n", []string{"SECRET=\"" + leak + "\\"}},
		{"a variable that is no name", "log: {level: \"${" + leak + "!}\"}\n", nil},
		{"a secret used as another value", "listen: " + leak + "\nupstream: {secret_key: " + leak + "}\n", nil},
		{"from the environment", "listen: 127.0.0.1:8080\n", []string{"GATEWAY__UPSTREAM__SECRET_KEY=" + leak + " x", "GATEWAY__UPSTREAM__SECRET_KYE=" + leak}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(write(t, tt.text), tt.environ)
			if err == nil {
				t.Fatal("it is taken")
			}
			if strings.Contains(err.Error(), leak) {
				t.Errorf("a secret shows:\n%v", err)
			}
		})
	}
}

// Secrets where nobody expects them: in place of a key, or of a number.
func TestMistakes_ShowNoSecretInAWrongPlace(t *testing.T) {
	const key, digits = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY4", "83920174650192837465"
	for name, text := range map[string]string{
		"a key":                   "upstream: {" + key + ": x}\n",
		"a key of the whole file": key + ": x\n",
		"a key of an entry":       "upstream: {apps: [{" + key + ": x}]}\n",
		"a key of digits":         "upstream: {" + digits + ": x}\n",
		"a whole number":          "upstream: {max_attempts: " + key + "}\n",
		"a number above 0":        "upstream: {apps: [{captcha_app_id: " + key + ", app_secret_key: x}]}\n",
		"digits":                  "upstream: {max_attempts: " + digits + "}\n",
		"a share":                 "upstream: {retry_budget: " + key + "}\n",
		"a time":                  "upstream: {deadline: " + key + "}\n",
		"a network":               "trusted_proxies: [" + key + "]\n",
		"a role":                  "admin: {tokens: [{name: a, role: " + key + ", token: QQQQQQQQQQQQQQQQ}]}\n",
		"an address":              "listen: " + key + "\n",
		"an operators' address":   "admin: {listen: " + key + "}\n",
		"a level":                 "log: {level: " + key + "}\n",
		"a scene's action":        "scenes: {default: {degraded: " + key + "}}\n",
		"a rate":                  "scenes: {default: {degraded: allow, budget: {per_ip: " + key + "}}}\n",
		"an origin":               "client: {allowed_origins: [" + key + "]}\n",
		"behind a role":           "admin: {tokens: [{name: a, role: operator token: '" + key + "'}]}\n",
		"below an address":        "admin:\n  listen: 127.0.0.1:8081\n    - {name: a, token: '" + key + "'}\n",
		"below the first address": "listen: 127.0.0.1:8080\n  - {name: a, key: \"" + key + "\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, text), nil)
			if err == nil {
				t.Fatal("it is taken")
			}
			if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), digits) {
				t.Errorf("a secret shows:\n%v", err)
			}
		})
	}
	_, err := config.Load(write(t, "listen: 127.0.0.1:8080\n"), []string{"GATEWAY__LOG__LEVEL=" + key})
	if err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("from the environment it says %v", err)
	}
}

func TestLoad_KeepsSecretsAsTheyAre(t *testing.T) {
	const odd = `"a": {b} # 'c' ${D} $$ \n`
	file := write(t, odd+"\n")
	c, err := config.Load("../configs/testdata/good/variables.yaml", append([]string{
		"APP_ID=190000001", "APP_SECRET=" + odd, "HOST=127.0.0.1", "WINDOW=45s", "SHARE=0.25", "LISTS=x", "AGAIN=x",
	}, account[:]...))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Challenge.Secret, challenge.Secrets{odd}) {
		t.Errorf("from a variable came %q, want %q", c.Challenge.Secret, odd)
	}
	path := write(t, "upstream: {apps: [{captcha_app_id: 190000001, app_secret_key: x}]}\nchallenge:\n  secret: ${file:"+file+"}\n")
	if c, err = config.Load(path, account[:]); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Challenge.Secret, challenge.Secrets{odd}) {
		t.Errorf("from a file came %q, want %q", c.Challenge.Secret, odd)
	}
	if c, err = config.Load(path, append([]string{"GATEWAY__CHALLENGE__SECRET=" + odd}, account[:]...)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Challenge.Secret, challenge.Secrets{odd}) {
		t.Errorf("from an override came %q, want %q", c.Challenge.Secret, odd)
	}
}

// FuzzLoad: whatever a file holds, Load returns, and where it does not take it
// says in which line.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, path := range filesOf(f, folder) {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Load(write(t, text), account[:])
		if err == nil {
			if _, err := c.YAML(); err != nil {
				t.Errorf("loaded, but cannot be written: %v", err)
			}
			return
		}
		mistakes, ok := err.(strictyaml.Mistakes) //nolint:errorlint // it must be this one, not wrap it
		if !ok || len(mistakes) == 0 {
			t.Fatalf("got %v, want Mistakes", err)
		}
		last := 1 + strings.Count(text, "\n") + strings.Count(text, "\r") // YAML takes either for a line end
		for _, m := range mistakes {
			if m.Line < 1 || m.Line > last || m.Text == "" {
				t.Errorf("this mistake is nowhere: %v", m)
			}
		}
	})
}
