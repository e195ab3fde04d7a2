package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"captchagate/policy"
	"captchagate/strictyaml"
)

// exposed lists what others than those who are meant can read or reach. Like inTheClear it
// repeats no address.
func (c Config) exposed() error {
	var odd []error
	for _, address := range c.Store.Redis {
		if u, err := url.Parse(address); err == nil && u.Scheme == "redis" && !isLoopback(u.Hostname()) {
			odd = append(odd, errors.New("store.redis: is plain redis:// to another machine: who is on the way reads its password and what the fleet shares, can take budgets and marks of used tickets out of it, and can answer in its place; write rediss://, or give Redis a network that nothing else is in"))
			break
		}
	}
	if leavesInTheClear(c.Telemetry.OTLPEndpoint) {
		odd = append(odd, errors.New("telemetry.otlp_endpoint: is plain http to another machine: who is on the way reads the traces, and the collector's key; write https://, or run a collector beside the gateway"))
	}
	if leavesInTheClear(c.Client.Script) {
		odd = append(odd, errors.New("client.script: is plain http: who is on the way can put any script into your pages, and browsers do not load it into a page of https; write https://"))
	}
	if leavesInTheClear(c.ScriptProbe.URL) {
		odd = append(odd, errors.New("script_probe.url: is plain http to another machine: who is on the way can have the script look as if it were away, and then disaster tickets that anybody can make are believed; write https://"))
	}
	return errors.Join(append(odd, c.openBackends(), c.openOperators(), openFile("tls.key", c.TLS.Key), openFile("admin.tls.key", c.Admin.TLS.Key))...)
}

// openBackends: a key that is read on its way is a backend's. Who names the proxies in front
// has them end TLS, and is believed.
func (c Config) openBackends() error {
	host, _, err := splitListen(c.Listen)
	if err != nil || isLoopback(host) || c.TLS.On() || len(c.TrustedProxies) > 0 {
		return nil
	}
	return errors.New("listen: can be reached from other machines by plain http: who is on the way reads tickets and keys of api_keys; set tls, or where a proxy ends TLS name it in trusted_proxies and let nobody else reach this address")
}

// openOperators: a token that is read on its way is an operator's.
func (c Config) openOperators() error {
	host, _, err := splitListen(c.Admin.Listen)
	if err != nil || isLoopback(host) || c.Admin.TLS.On() || strings.HasPrefix(c.Admin.PublicURL, "https://") {
		return nil
	}
	return errors.New("admin.listen: can be reached from other machines by plain http: who is on the way reads operators' tokens; set admin.tls, or say in admin.public_url the https:// address of the proxy that ends TLS")
}

// openFile: a key that every user of the machine can read is everybody's. Its group is not
// looked at, for a service may read a key of root's by it.
func openFile(key, path string) error {
	if path == "" || !othersRead(path) {
		return nil
	}
	return fmt.Errorf("%s: every user of this machine can read %s; take that away: chmod o= %s", key, path, path)
}

// othersRead reports whether every user may; where modes are not what says so, on Windows, it does not.
func othersRead(path string) bool {
	if runtime.GOOS == "windows" {
		return false
	}
	about, err := os.Stat(path)
	return err == nil && about.Mode().Perm()&0o007 != 0
}

// openSecrets warns of secrets that stand in a file that every user can read, once. The
// account at a simulator, which is asked by plain http, is none.
func (c Config) openSecrets(doc *strictyaml.Document, path string) error {
	if !othersRead(path) {
		return nil
	}
	for _, key := range c.secrets() {
		if source := doc.Source(key); source != "" && !strings.Contains(source, "${") {
			return fmt.Errorf("%s: stands in a file that every user of this machine can read, perhaps with others; take that away with chmod o= %s, or write ${file:PATH} or ${NAME} here", key, path)
		}
	}
	return nil
}

// secrets are the keys under which c has secrets, in the order of the file.
func (c Config) secrets() (keys []string) {
	each := func(n int, form string) {
		for i := range n {
			keys = append(keys, fmt.Sprintf(form, i))
		}
	}
	each(len(c.APIKeys), "api_keys[%d].key")
	each(len(c.Admin.Tokens), "admin.tokens[%d].token")
	if !strings.HasPrefix(c.Upstream.Endpoint, "http://") {
		keys = append(keys, "upstream.secret_key")
		each(len(c.Upstream.Apps), "upstream.apps[%d].app_secret_key")
	}
	keys = append(keys, "challenge.secret")
	each(len(c.Challenge.Secret), "challenge.secret[%d]")
	keys = append(keys, "store.secret", "reverify.secret", "alarms.secret")
	each(len(c.DropIn.Credentials), "drop_in.credentials[%d].secret_key")
	return keys
}

// Budgets of allow beyond these bound nothing that anybody would bear to be wrong about.
const (
	muchPerSecond = 10_000
	longFor       = 24 * time.Hour
)

// cheapCost is a tenth of the default: what a challenge costs a machine is all that it keeps away.
const cheapCost = 500

func (c Config) cheapChallenge() error {
	if c.Challenge.Cost >= cheapCost {
		return nil
	}
	return fmt.Errorf("challenge.cost: %d costs a machine next to nothing to solve, so that challenges hold nobody up; take the default of 5000, or leave it out", c.Challenge.Cost)
}

// boundless: allow lets in without asking, and its budget is all that there is against that.
func (c Config) boundless() error {
	var odd []error
	for _, name := range slices.Sorted(maps.Keys(c.Scenes)) {
		s := c.Scenes[name]
		if s.Degraded != policy.Allow {
			continue
		}
		if s.Budget.Total.N > 0 && float64(s.Budget.Total.N) >= muchPerSecond*s.Budget.Total.Per.Seconds() {
			odd = append(odd, fmt.Errorf("scenes.%s.budget.total: lets in %v of whom nobody knows anything while the Captcha API is away, which bounds no attack; take what the scene sees in its busiest second", name, s.Budget.Total))
		}
		if s.Budget.For > longFor {
			odd = append(odd, fmt.Errorf("scenes.%s.budget.for: lets in without asking for %v, which is longer than any outage that nobody looks at; take what you can bear, such as 15m", name, s.Budget.For))
		}
	}
	return errors.Join(odd...)
}
