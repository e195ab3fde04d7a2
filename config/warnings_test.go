package config_test

import (
	"slices"
	"strings"
	"testing"

	"captchagate/config"
	"captchagate/strictyaml"
)

// odd has one of everything that is taken with a warning.
const odd = `
api_keys:
  - {name: shop, key: x, scenes: [login]}
  - {name: blog, key: 0123456789abcdef}
admin:
  tokens: [{name: ops, role: operator, token: "${OPS_TOKEN}"}]
upstream:
  endpoint: http://api.example
  secret_id: x
  apps: [{captcha_app_id: 190000001, app_secret_key: app-secret-key #1}]
    }]
trusted_proxies: [10.0.0.0/8, 0.0.0.0/0, "::/0"]
scenes:
  login:
    degraded: challenge
    budget: {total: 10/s}
  payment:
    degraded: deny
    budget: {total: 11/s}
    challenge_budget: {per_ip: 1/m}
  comment: {degraded: allow, budget: {total: 12/s, for: 5m}, challenge_budget: {per_ip: 1/m}}
challenge: {secret: fifteen-letters}
drop_in: {scene: login, by_app: {190000001: login}, credentials: [{secret_id: AKIDSHOP01, secret_key: short}]}
reverify: {webhook: "http://user:pass@shop.example/reports", secret: y}
alarms: {webhook: "http://chat.example/hook?key=open-key", secret: short, format: wecom}
`

func TestWarnings_NameWhatIsOddAndWhere(t *testing.T) {
	path := write(t, odd)
	env := append(account[:], "OPS_TOKEN=open-sesame", "GATEWAY__REVERIFY__SECRET=four")
	c, err := config.Load(path, env)
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{
		"FILE:3: api_keys[0].key: has fewer than 16 bytes",
		"FILE:6: admin.tokens[0].token: has fewer than 16 bytes",
		"FILE:8: upstream.endpoint: is plain http",
		"FILE:9: upstream.secret_id: has fewer than 10 letters",
		"FILE:10: upstream.apps[0].app_secret_key: ends before the",
		"FILE:12: trusted_proxies[1]: 0.0.0.0/0 is much of the internet",
		"FILE:12: trusted_proxies[2]: ::/0 is much of the internet",
		"FILE:16: scenes.login.budget: bounds what allow lets through, and with degraded: challenge nobody is let through; leave it out, or say degraded: allow; what bounds solved challenges is challenge_budget",
		"FILE:19: scenes.payment.budget: bounds what allow lets through, and with degraded: deny ",
		"FILE:20: scenes.payment.challenge_budget: bounds solved challenges",
		"FILE:22: challenge.secret: has fewer than 16 bytes",
		"FILE:23: drop_in.scene: scene login challenges while nobody can verify, and a caller of the drop-in has no challenge to show",
		"FILE:23: drop_in.by_app.190000001: scene login challenges",
		"FILE:23: drop_in.credentials[0].secret_key: has fewer than 10 letters",
		"FILE:24: reverify.webhook: is plain http",
		"FILE:25: alarms.webhook: is plain http",
		"FILE:25: alarms.secret: has fewer than 16 bytes",
		"FILE:25: alarms.secret: signs nothing, because wecom has no way to",
		"GATEWAY__REVERIFY__SECRET: reverify.secret: has fewer than 16 bytes",
	}
	got := c.Warnings()
	for _, want := range wants {
		want = strings.Replace(want, "FILE", path, 1)
		i := slices.IndexFunc(got, func(m strictyaml.Mistake) bool { return strings.HasPrefix(m.String(), want) })
		if i < 0 {
			t.Errorf("missing: %s", want)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	for _, m := range got {
		t.Errorf("not wanted: %s", m)
	}
	for _, secret := range []string{"open-sesame", "fifteen-letters", "four", "pass@", "open-key"} {
		if strings.Contains(c.Warnings().Error(), secret) {
			t.Errorf("the warnings show %q", secret)
		}
	}
}

// What is usual is not odd: no samples, no loopback, no address that is off.
func TestWarnings_AreSilentAboutWhatIsUsual(t *testing.T) {
	paths := map[string]string{"sample": "../configs/gateway.yaml", "production": "../configs/production.yaml", "fleet": "../configs/fleet.yaml", "demo": "../configs/demo.yaml"}
	for name, text := range map[string]string{
		"localhost":   "upstream: {endpoint: \"http://localhost:8082\", apps: [{captcha_app_id: 1, app_secret_key: app-secret-key}]}\n",
		"IPv6":        "upstream: {endpoint: \"http://[::1]:8082\", apps: [{captcha_app_id: 1, app_secret_key: app-secret-key}]}\n",
		"no webhook":  "upstream: {apps: [{captcha_app_id: 1, app_secret_key: app-secret-key}]}\nreverify: {webhook: \"\"}\n",
		"nothing odd": "upstream: {apps: [{captcha_app_id: 1, app_secret_key: app-secret-key}]}\nreverify: {webhook: \"https://shop.example\", secret: 0123456789abcdef}\n",
	} {
		paths[name] = write(t, text)
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			env := slices.Concat(productionEnvironment, fleetEnvironment, demoEnvironment)
			c, err := config.Load(path, env)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Warnings(); len(got) > 0 {
				t.Errorf("it warns:\n%v", got)
			}
		})
	}
}
