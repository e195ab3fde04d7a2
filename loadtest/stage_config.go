package loadtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"captchagate/admin"
	"captchagate/config"
	"captchagate/loadtest/scenario"
	"captchagate/simulator"
	"captchagate/strictyaml"
)

// config is an instance's: the defaults, the simulator's account, a scene for each
// action, and what those share that are several.
func (st *Stage) config(one staged, s scenario.Scenario) []byte {
	endpoint := "http://" + st.api
	if st.network != nil {
		endpoint = st.network.endpoint()
	}
	text := fmt.Appendf(nil, `listen: %[1]s
upstream:
  endpoint: %[2]s
  secret_id: %[4]s
  secret_key: %[5]s
  apps:
    - {captcha_app_id: %[6]d, app_secret_key: %[7]s}
scenes:
  default: {degraded: challenge}
  login: {degraded: challenge}
  comment:
    degraded: allow
    budget: {per_ip: 10/m, per_subject: 5/m, total: 200/s, for: 15m}
    over_budget: challenge
  payment: {degraded: deny}
script_probe: {url: "http://%[3]s/TJCaptcha.js", interval: 1s}
client: {script: "http://%[3]s/TJCaptcha.js"}
log: {level: error}
`, one.listen, endpoint, st.api, simulator.DefaultSecretID, simulator.DefaultSecretKey,
		simulator.DefaultAppID, simulator.DefaultAppSecretKey)
	if s.Shadow {
		text = fmt.Appendf(text, "drop_in: {scene: %q, shadow: true}\n", s.OneScene())
	}
	store := filepath.Join(one.folder, "gateway.db")
	if st.secret == "" {
		return fmt.Appendf(text, "admin: {listen: %q, token_file: %q}\nstore: {path: %q}\n", one.admin, one.operators().File, store)
	}
	text = fmt.Appendf(text, `admin: {listen: %[1]q, tokens: [{name: loadtest, role: operator, token: %[2]q}]}
challenge: {secret: %[2]q}
`, one.admin, st.secret)
	if st.redis == nil {
		return fmt.Appendf(text, "store: {path: %q}\n", store)
	}
	return fmt.Appendf(text, "store: {path: %q, redis: %q, secret: %q}\n", store, st.redis.url(), st.secret)
}

// share makes a secret for those that are several.
func (st *Stage) share(s scenario.Scenario) {
	if s.Instances > 1 || s.HasRedis() {
		st.secret = rand.Text()
	}
}

// operators are those of the instance: whoever has the token that it makes.
func (s staged) operators() admin.Config {
	return admin.Config{File: filepath.Join(s.folder, "admin.token")}
}

// overrides are the scenario's values for the gateway, as its environment.
func overrides(s scenario.Scenario) []string {
	var env []string
	for _, key := range slices.Sorted(maps.Keys(s.Gateway)) {
		env = append(env, variable(key)+"="+s.Gateway[key])
	}
	return env
}

func variable(key string) string {
	return "GATEWAY__" + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// CheckGateway finds what is wrong with the scenario's values for the gateway.
func CheckGateway(s scenario.Scenario) error {
	folder, err := os.MkdirTemp("", "captchagate-loadtest-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the system clears what stays
	st := &Stage{folder: folder, api: "127.0.0.1:3"}
	if s.HasRedis() {
		st.redis = &Redis{server: "127.0.0.1:4"}
	}
	st.share(s)
	path := filepath.Join(folder, "gateway.yaml")
	if err := os.WriteFile(path, st.config(staged{folder: folder, listen: "127.0.0.1:1", admin: "127.0.0.1:2"}, s), 0o600); err != nil {
		return err
	}
	return checkConfig(path, overrides(s))
}

// checkConfig says what is wrong in words of the scenario.
func checkConfig(path string, env []string) error {
	_, err := config.Load(path, env)
	mistakes, ok := errors.AsType[strictyaml.Mistakes](err)
	if !ok {
		return err
	}
	var told []error
	for _, m := range mistakes {
		key := m.Key
		if key == "" {
			key = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(m.Variable, "GATEWAY__"), "__", "."))
		}
		told = append(told, fmt.Errorf("%w: gateway: %s: %s", ErrScenario, key, m.Text))
	}
	return errors.Join(told...)
}

// ErrScenario says that the scenario cannot be played like this: with the
// values that it gives the gateway, or against these gateways.
var ErrScenario = errors.New("the scenario cannot be played")
