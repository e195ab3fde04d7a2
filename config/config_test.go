package config_test

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"captchagate/config"
	"captchagate/configs"
	"captchagate/simulator"
	"captchagate/strictyaml"
)

func TestDefaults_AreTheOnesPromised(t *testing.T) {
	want := map[string]string{
		"version": "1", "listen": "127.0.0.1:8080", "max_connections": "10000", "trusted_proxies": "0 entries", "api_keys": "0 entries",
		"tls.cert": "", "tls.key": "", "tls.client_ca": "", "admin.tls.cert": "", "admin.tls.key": "", "admin.tls.client_ca": "",
		"admin.listen": "127.0.0.1:8081", "admin.token_file": "data/admin.token", "admin.public_url": "", "admin.tokens": "0 entries",
		"upstream.endpoint": "https://captcha.tencentcloudapi.com", "upstream.region": "",
		"upstream.secret_id": "", "upstream.secret_key": "", "upstream.apps": "0 entries",
		"upstream.deadline": "2s", "upstream.attempt_timeout": "800ms", "upstream.max_attempts": "3",
		"upstream.backoff.initial": "50ms", "upstream.backoff.max": "400ms",
		"upstream.retry_budget": "0.2", "upstream.max_in_flight": "256",
		"breaker.window": "20s", "breaker.min_requests": "20", "breaker.failure_rate": "0.5",
		"breaker.consecutive_failures": "10", "breaker.slow_call": "500ms", "breaker.slow_rate": "0.8",
		"breaker.open.initial": "1s", "breaker.open.max": "5s",
		"breaker.probe.timeout": "1s", "breaker.probe.successes": "3", "breaker.probe.spacing": "100ms",
		"breaker.ramp":            "10s",
		"scenes.default.degraded": "challenge", "scenes.default.challenge_budget.per_ip": "240/m", "scenes.default.challenge_budget.total": "500/s",
		"disaster_tickets.when_corroborated": "scene", "disaster_tickets.otherwise": "challenge", "disaster_tickets.max_age": "5m",
		"script_probe.url": "https://turing.captcha.qcloud.com/TJCaptcha.js", "script_probe.interval": "10s", "script_probe.failures": "3",
		"challenge.secret": "", "challenge.cost": "5000", "challenge.expires": "5m",
		"store.path": "data/gateway.db", "store.redis": "", "store.prefix": "captchagate:", "store.secret": "",
		"reverify.webhook": "", "reverify.secret": "",
		"alarms.webhook": "", "alarms.secret": "", "alarms.format": "json",
		"sla.target": "0.9999", "sla.minute_error_rate": "0.0001", "sla.zone": "Asia/Shanghai",
		"drop_in.scene": "", "drop_in.credentials": "0 entries", "drop_in.shadow": "false", "upstream.session_token": "",
		"client.allowed_origins": "0 entries", "client.script": "https://turing.captcha.qcloud.com/TJCaptcha.js", "client.load_timeout": "5s", "client.encrypt_app_id": "",
		"shutdown.delay": "0s", "shutdown.timeout": "10s", "log.level": "info", "log.format": "json", "log.decisions": "exceptions",
		"telemetry.otlp_endpoint": "",
	}
	if got := flatYAML(t, config.Defaults()); !maps.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestDefaults_FileNamesEveryKey(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(configs.Defaults()), &tree); err != nil {
		t.Fatal(err)
	}
	inFile := map[string]string{}
	flatten(tree, "", inFile)
	for key := range flatYAML(t, config.Defaults()) {
		if _, ok := inFile[key]; !ok {
			t.Errorf("configs/defaults.yaml does not name %s", key)
		}
	}
}

func TestDefaults_LackOnlyTheAccountAndAnApp(t *testing.T) {
	err := config.Defaults().Validate()
	if err == nil {
		t.Fatal("defaults alone are taken for a whole configuration")
	}
	var keys []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		key, _, _ := strings.Cut(line, ": ")
		keys = append(keys, key)
	}
	if want := []string{"upstream.secret_id", "upstream.secret_key", "upstream.apps"}; !slices.Equal(keys, want) {
		t.Errorf("got mistakes in %v, want %v", keys, want)
	}
}

func TestSample_GatewayFitsTheSimulatorWithoutEnvironment(t *testing.T) {
	c, err := config.Load("../configs/gateway.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	u := c.Upstream
	if u.SecretID != simulator.DefaultSecretID || u.SecretKey != simulator.DefaultSecretKey || len(u.Apps) != 1 ||
		u.Apps[0].CaptchaAppID != simulator.DefaultAppID || u.Apps[0].AppSecretKey != simulator.DefaultAppSecretKey {
		t.Errorf("account and app are not the simulator's: %+v", u.Config)
	}
	if u.Endpoint != "http://127.0.0.1:8082" {
		t.Errorf("endpoint is %s, want the simulator's address", u.Endpoint)
	}
	want := []string{"comment", "default", "login", "payment"}
	if got := slices.Sorted(maps.Keys(c.Scenes)); !slices.Equal(got, want) {
		t.Errorf("scenes are %v, want %v", got, want)
	}
}

var productionEnvironment = []string{
	"TENCENTCLOUD_SECRET_ID=AKIDPRODUCTION", "TENCENTCLOUD_SECRET_KEY=production-account-key",
	"CAPTCHA_APP_ID=190000001", "CAPTCHA_APP_SECRET_KEY=production-app-key",
	"SHOP_KEY=production-shop-key", "FORUM_KEY=production-forum-key",
	"GATEWAY_ADMIN_TOKEN=production-admin-token", "GATEWAY_VIEWER_TOKEN=production-viewer-token",
}

// fleetEnvironment is what an instance of a fleet needs besides.
var fleetEnvironment = []string{
	"FLEET_SECRET=production-fleet-secret", "CHALLENGE_SECRET=production-challenge-secret",
	"FLEET_REDIS=rediss://gateway:password@redis.internal:6379/0",
}

// demoEnvironment is what "gateway demo" sets.
var demoEnvironment = []string{
	"DEMO_LISTEN=127.0.0.1:8080", "DEMO_ADMIN_LISTEN=127.0.0.1:8081",
	"DEMO_SIMULATOR_LISTEN=127.0.0.1:8082", "DEMO_FOLDER=/tmp/demo",
}

func TestSample_ProductionNeedsItsVariablesAndNothingElse(t *testing.T) {
	needsExactly(t, "../configs/production.yaml", productionEnvironment)
}

func TestSample_FleetNeedsItsVariablesAndNothingElse(t *testing.T) {
	needsExactly(t, "../configs/fleet.yaml", slices.Concat(productionEnvironment, fleetEnvironment))
}

func needsExactly(t *testing.T, path string, environment []string) {
	t.Helper()
	if _, err := config.Load(path, environment); err != nil {
		t.Fatal(err)
	}
	for i, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		t.Run("without "+name, func(t *testing.T) {
			_, err := config.Load(path, slices.Delete(slices.Clone(environment), i, i+1))
			mistakes, _ := errors.AsType[strictyaml.Mistakes](err)
			if len(mistakes) == 0 || mistakes[0].Line == 0 || !strings.Contains(err.Error(), "${"+name+"} is not set") {
				t.Errorf("got %v, want one mistake that names %s", err, name)
			}
		})
	}
}

func TestSample_EveryOneLoads(t *testing.T) {
	samples, err := filepath.Glob("../configs/*.yaml")
	if err != nil || len(samples) < 3 {
		t.Fatalf("found only %v: %v", samples, err)
	}
	for _, path := range samples {
		if filepath.Base(path) == "defaults.yaml" {
			continue // not a whole configuration: it has no app
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			if _, err := config.Load(withSecrets(t, path), slices.Concat(productionEnvironment, fleetEnvironment, demoEnvironment)); err != nil {
				t.Error(err)
			}
		})
	}
}

// withSecrets is a copy of a sample whose files in /run/secrets are there.
func withSecrets(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range regexp.MustCompile(`/run/secrets/(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if err := os.WriteFile(filepath.Join(folder, name[1]), []byte("secret-of-"+name[1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return write(t, strings.ReplaceAll(string(text), "/run/secrets", folder))
}

func TestYAML_LoadsToTheSameConfiguration(t *testing.T) {
	for _, path := range append(filesOf(t, "good"), "../configs/gateway.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			first, err := config.Load(path, append(headerOf(t, path, "env"), account[:]...))
			if err != nil {
				t.Fatal(err)
			}
			// The same without secrets, since these do not come back.
			first.Upstream.SecretID, first.Upstream.SecretKey = "[redacted]", "[redacted]"
			for i := range first.Upstream.Apps {
				first.Upstream.Apps[i].AppSecretKey = "[redacted]"
			}
			first.APIKeys, first.Admin.Tokens, first.DropIn.Credentials, first.Listen, first.Admin.Listen = nil, nil, nil, "127.0.0.1:1", "127.0.0.1:2"
			first.Challenge.Secret, first.Reverify.Secret, first.Reverify.Webhook = nil, "", ""
			first.Alarms.Secret, first.Alarms.Webhook = "", ""
			first.Store.Path = "data/gateway.db" // one file's looks like a variable
			text, err := first.YAML()
			if err != nil {
				t.Fatal(err)
			}
			second, err := config.Load(write(t, string(text)), nil)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			again, err := second.YAML()
			if err != nil {
				t.Fatal(err)
			}
			if string(again) != string(text) {
				t.Errorf("written again it is\n%s\nwas\n%s", again, text)
			}
		})
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_SaysWhyAFileCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing.yaml")
	huge := write(t, strings.Repeat("# much too much\n", 1<<17))
	tests := []struct{ name, path, want string }{
		{"no file", missing, missing + ": cannot be read: no such file or directory; look at the path"},
		{"a folder", folder, folder + ": cannot be read: is a directory; look at the path"},
		{"no name", "", "no configuration file is named; say --config FILE"},
		{"over 1 MiB", huge, huge + ": is over 1 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(tt.path, nil)
			if _, ok := errors.AsType[strictyaml.Mistakes](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLoad_SaysWhereTextIsBroken(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		want       string
	}{
		{"empty", "", 1, "holds no configuration"},
		{"only a separator", "---\n", 1, "holds no configuration"},
		{"not UTF-8", "listen: 127.0.0.1:8080\nlog: {level: \xff}\n", 2, "is not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(write(t, tt.text), account[:])
			mistakes, _ := errors.AsType[strictyaml.Mistakes](err)
			if len(mistakes) != 1 || mistakes[0].Line != tt.line || !strings.Contains(mistakes[0].Text, tt.want) {
				t.Errorf("got %v, want one in line %d: %s", err, tt.line, tt.want)
			}
		})
	}
}

func TestLog_SlogLevelIsTheLevel(t *testing.T) {
	for name, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got := (config.Log{Level: name}).SlogLevel(); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// A fleet is configured by store.redis, which shows without its password.
func TestLoad_TakesAFleet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	text := `upstream: {apps: [{captcha_app_id: 190000001, app_secret_key: app-secret}]}
admin: {tokens: [{name: ops, role: operator, token: a-token-of-the-operators}]}
challenge: {secret: a-secret-of-the-challenges}
store: {redis: "rediss://gateway:redis-pass-word@redis.example:6380/1", secret: a-secret-of-the-fleet}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, account[:])
	if err != nil {
		t.Fatal(err)
	}
	effective := flatYAML(t, c)
	for key, want := range map[string]string{
		"store.redis": "rediss://[redacted]@redis.example:6380/1", "store.prefix": "captchagate:", "store.secret": "[redacted]",
	} {
		if effective[key] != want {
			t.Errorf("%s shows as %q, want %q", key, effective[key], want)
		}
	}
}
