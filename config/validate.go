package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"captchagate/public"
	"captchagate/strictyaml"
	"captchagate/upstream"
)

// Validate lists every mistake in c, each as "key: what is wrong and what to
// do". Load calls it.
func (c Config) Validate() error {
	return errors.Join(
		c.validateVersion(),
		c.validateListeners(),
		strictyaml.Under("tls", c.TLS.Validate()),
		c.validateAPIKeys(),
		strictyaml.Under("admin", c.Admin.Validate()),
		strictyaml.Under("admin.tls", c.Admin.TLS.Validate()),
		strictyaml.Under("upstream", c.Upstream.Validate()),
		strictyaml.Under("breaker", c.Breaker.Validate()),
		c.validateWindow(),
		c.validateScenes(),
		strictyaml.Under("disaster_tickets", c.DisasterTickets.Validate()),
		strictyaml.Under("script_probe", c.ScriptProbe.Validate()),
		strictyaml.Under("challenge", c.Challenge.Validate()),
		strictyaml.Under("store", c.Store.Validate()),
		c.validateFleet(),
		strictyaml.Under("reverify", c.Reverify.Validate()),
		strictyaml.Under("alarms", c.Alarms.Validate()),
		strictyaml.Under("sla", c.SLA.Validate()),
		strictyaml.Under("drop_in", c.validateDropIn()),
		strictyaml.Under("client", c.Client.Validate()),
		strictyaml.Under("shutdown", c.Shutdown.Validate()),
		strictyaml.Under("log", c.Log.Validate()),
		strictyaml.Under("telemetry", c.Telemetry.Validate()),
	)
}

// formVersion is the form of the files that this release reads. It grows with a release
// that would take what a file of the one before says for something else.
const formVersion = 1

func (c Config) validateVersion() error {
	switch {
	case c.Version > formVersion:
		return fmt.Errorf("version: the file is written for a newer release: its form is %d, and this one reads form %d; start the release that it is for, or write it anew after this one's configs/defaults.yaml", c.Version, formVersion)
	case c.Version != formVersion:
		return fmt.Errorf("version: there is no form %d of this file; say %d, or leave it out", c.Version, formVersion)
	}
	return nil
}

// Validate lists every mistake in u, each as "key: what is wrong".
func (u Upstream) Validate() error { return errors.Join(u.Config.Validate(), u.Limits.Validate()) }

// validateWindow: a call that ends at its deadline must still be evidence, and
// have company, when it is counted.
func (c Config) validateWindow() error {
	if c.Breaker.Window <= 0 || c.Upstream.Deadline <= 0 || c.Breaker.Window >= 2*c.Upstream.Deadline {
		return nil
	}
	return fmt.Errorf("breaker.window: %v is shorter than twice upstream.deadline (%v), so slow faults would be forgotten before they count; make it at least %v",
		c.Breaker.Window, c.Upstream.Deadline, 2*c.Upstream.Deadline)
}

// validateFleet: what an instance makes for itself no other would know.
func (c Config) validateFleet() error {
	if len(c.Store.Redis) == 0 {
		return nil
	}
	var mistakes []error
	if len(c.Challenge.Secret) == 0 {
		mistakes = append(mistakes, errors.New("challenge.secret: is empty, and instances that share a Redis (store.redis) must accept each other's challenges; set the same in all"))
	}
	if len(c.Admin.Tokens) == 0 && !c.Admin.Demo {
		mistakes = append(mistakes, errors.New("admin.tokens: is empty, and operators reach any instance of a fleet (store.redis); set the same in all"))
	}
	return errors.Join(mistakes...)
}

func (c Config) validateListeners() error {
	host, port, err := splitListen(c.Listen)
	if err != nil {
		return err
	}
	var mistakes []error
	if !isLoopback(host) && len(c.APIKeys) == 0 {
		mistakes = append(mistakes, fmt.Errorf("listen: %s can be reached from other machines and api_keys is empty; add api_keys, or listen on 127.0.0.1", c.Listen))
	}
	if c.MaxConnections < 1 || c.MaxConnections > 1_000_000 {
		mistakes = append(mistakes, fmt.Errorf("max_connections: must be from 1 to 1000000, is %d", c.MaxConnections))
	}
	adminHost, adminPort, err := splitListen(c.Admin.Listen)
	if err == nil && port != 0 && port == adminPort && (host == adminHost || isEveryAddress(host) || isEveryAddress(adminHost)) {
		mistakes = append(mistakes, fmt.Errorf("admin.listen: %s is taken by listen (%s); give it another port", c.Admin.Listen, c.Listen))
	}
	return errors.Join(mistakes...)
}

func splitListen(address string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(digits)
	}
	if err != nil || port < 0 || port > 65535 || strings.ContainsAny(host, " \t\r\n/@") {
		return "", 0, fmt.Errorf("listen: must be HOST:PORT such as 127.0.0.1:8080 or [::1]:8080, is %q", address)
	}
	return host, port, nil
}

func isEveryAddress(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// isLoopback reports whether only this machine reaches host. Of names only
// localhost does: any other may come to point elsewhere.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func (c Config) validateAPIKeys() error {
	var mistakes []error
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	names, keys := map[string]bool{}, map[string]bool{}
	for i, one := range c.APIKeys {
		if one.Name == "" {
			add("api_keys[%d].name: is empty; name the backend, logs call it so", i)
		} else if names[one.Name] {
			add("api_keys[%d].name: another key is called %s too; give each its own name", i, one.Name)
		}
		switch {
		case one.Key == "":
			add("api_keys[%d].key: is empty; set one, for instance ${SHOP_KEY}", i)
		case !isHeaderWord(one.Key):
			add("api_keys[%d].key: holds a space, a line end or a letter beyond ASCII, which no header can carry; look at where it comes from", i)
		case keys[one.Key]:
			add("api_keys[%d].key: is the same as another entry's; give each backend its own", i)
		}
		names[one.Name], keys[one.Key] = true, true
		for j, scene := range one.Scenes {
			if _, ok := c.Scenes[scene]; !ok {
				add("api_keys[%d].scenes[%d]: there is no scene %q; %s", i, j, scene, c.sceneList())
			}
		}
	}
	return errors.Join(mistakes...)
}

// validateDropIn: what it names has to be there.
func (c Config) validateDropIn() error {
	mistakes := []error{c.DropIn.Validate()}
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if _, ok := c.Scenes[c.DropIn.Scene]; !ok && c.DropIn.Scene != "" {
		add("scene: there is no scene %q; %s", c.DropIn.Scene, c.sceneList())
	}
	for _, app := range slices.Sorted(maps.Keys(c.DropIn.ByApp)) {
		scene := c.DropIn.ByApp[app]
		if _, ok := c.Scenes[scene]; !ok {
			add("by_app.%s: there is no scene %q; %s", app, scene, c.sceneList())
		}
		id, err := strconv.ParseUint(app, 10, 64)
		if err == nil && !slices.ContainsFunc(c.Upstream.Apps, func(a upstream.App) bool { return a.CaptchaAppID == id }) {
			add("by_app: %s is no captcha_app_id of upstream.apps; add it there, or leave it out here", app)
		}
	}
	for i, one := range c.DropIn.Credentials {
		if one.SecretID == c.Upstream.SecretID && one.SecretID != "" {
			add("credentials[%d].secret_id: is upstream.secret_id, whose signatures count anyway; leave it out", i)
		}
	}
	return errors.Join(mistakes...)
}

func isHeaderWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// sceneName is what a scene may be called: it becomes a metric's label and part
// of a path of keys.
var sceneName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

func (c Config) validateScenes() error {
	var mistakes []error
	if len(c.Scenes) == 0 {
		mistakes = append(mistakes, errors.New("scenes: is empty; at least one is needed, for instance default: {degraded: challenge}"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Scenes)) {
		if !sceneName.MatchString(name) {
			mistakes = append(mistakes, fmt.Errorf("scenes: %q is no name; use at most 64 letters, digits, _, . and -", name))
			continue
		}
		mistakes = append(mistakes, strictyaml.Under("scenes."+name, c.Scenes[name].Validate()))
	}
	return errors.Join(mistakes...)
}

// sceneList is the remedy if a scene is named that is not there.
func (c Config) sceneList() string {
	if len(c.Scenes) == 0 {
		return "add it to scenes"
	}
	return "add it to scenes, or take " + strings.Join(slices.Sorted(maps.Keys(c.Scenes)), ", ")
}

// Validate lists every mistake in l, each as "key: what is wrong".
func (l Log) Validate() error {
	var mistakes []error
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Level) {
		mistakes = append(mistakes, fmt.Errorf("level: must be debug, info, warn or error, is %q", l.Level))
	}
	if l.Format != "json" && l.Format != "text" {
		mistakes = append(mistakes, fmt.Errorf("format: must be json or text, is %q", l.Format))
	}
	if !slices.Contains([]string{public.LinesAll, public.LinesExceptions, public.LinesNone}, l.Decisions) {
		mistakes = append(mistakes, fmt.Errorf("decisions: must be exceptions, all or none, is %q", l.Decisions))
	}
	return errors.Join(mistakes...)
}
