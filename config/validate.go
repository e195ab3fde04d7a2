package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate lists every mistake in c, each as "key: what is wrong and what to
// do". Load calls it.
func (c Config) Validate() error {
	return errors.Join(
		c.validateListeners(),
		c.validateAPIKeys(),
		under("admin", c.Admin.Validate()),
		under("upstream", c.Upstream.Validate()),
		under("breaker", c.Breaker.Validate()),
		c.validateWindow(),
		c.validateScenes(),
		under("disaster_tickets", c.DisasterTickets.Validate()),
		under("script_probe", c.ScriptProbe.Validate()),
		under("challenge", c.Challenge.Validate()),
		under("store", c.Store.Validate()),
		c.validateFleet(),
		under("reverify", c.Reverify.Validate()),
		under("client", c.Client.Validate()),
		under("log", c.Log.Validate()),
		under("telemetry", c.Telemetry.Validate()),
	)
}

// under puts a section in front of the keys of its mistakes.
func under(section string, err error) error {
	var mistakes []error
	for _, one := range split(err) {
		mistakes = append(mistakes, fmt.Errorf("%s: %s", join(section, one[0]), one[1]))
	}
	return errors.Join(mistakes...)
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

func (c Config) validateListeners() error {
	host, port, err := splitListen(c.Listen)
	if err != nil {
		return err
	}
	var mistakes []error
	if !isLoopback(host) && len(c.APIKeys) == 0 {
		mistakes = append(mistakes, fmt.Errorf("listen: %s can be reached from other machines and api_keys is empty; add api_keys, or listen on 127.0.0.1", c.Listen))
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

func isHeaderWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (c Config) validateScenes() error {
	var mistakes []error
	if len(c.Scenes) == 0 {
		mistakes = append(mistakes, errors.New("scenes: is empty; at least one is needed, for instance default: {degraded: challenge}"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Scenes)) {
		if !keyPattern.MatchString(name) {
			mistakes = append(mistakes, fmt.Errorf("scenes: %q is no name; use at most 64 letters, digits, _, . and -", name))
			continue
		}
		mistakes = append(mistakes, under("scenes."+name, c.Scenes[name].Validate()))
	}
	if _, ok := c.Scenes[c.DropIn.Scene]; !ok && c.DropIn.Scene != "" {
		mistakes = append(mistakes, fmt.Errorf("drop_in.scene: there is no scene %q; %s", c.DropIn.Scene, c.sceneList()))
	}
	return errors.Join(mistakes...)
}

// sceneList is the remedy where a scene is named that is not there.
func (c Config) sceneList() string {
	if len(c.Scenes) == 0 {
		return "add it to scenes"
	}
	return "add it to scenes, or take " + strings.Join(slices.Sorted(maps.Keys(c.Scenes)), ", ")
}

// validateFleet: a solution is accepted by all instances or the user is sent
// in circles, so they sign with one secret.
func (c Config) validateFleet() error {
	if c.Store.Redis != "" && c.Challenge.Secret == "" {
		return errors.New("challenge.secret: is empty, but with store.redis all instances must sign with the same; set one, for instance ${CHALLENGE_SECRET}")
	}
	return nil
}

// Validate lists every mistake in s, each as "key: what is wrong".
func (s ScriptProbe) Validate() error {
	mistakes := []error{checkURL("url", s.URL, "an empty one switches the probe off")}
	if s.Interval < time.Second {
		mistakes = append(mistakes, fmt.Errorf("interval: must be at least 1s, is %v; the script is not ours to hammer", s.Interval))
	}
	if s.Failures < 1 || s.Failures > 100 {
		mistakes = append(mistakes, fmt.Errorf("failures: must be between 1 and 100, is %d", s.Failures))
	}
	return errors.Join(mistakes...)
}

// Validate lists every mistake in r, each as "key: what is wrong".
func (r Reverify) Validate() error {
	mistakes := []error{checkURL("webhook", r.Webhook, "an empty one switches reports off")}
	if r.Webhook != "" && r.Secret == "" {
		mistakes = append(mistakes, errors.New("secret: is empty, but reports to webhook must be signed; set one, for instance ${REVERIFY_SECRET}"))
	}
	return errors.Join(mistakes...)
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Client) Validate() error {
	mistakes := []error{checkURL("script", c.Script, "an empty one leaves the script to the page")}
	for i, origin := range c.AllowedOrigins {
		if !isOrigin(origin) {
			mistakes = append(mistakes, fmt.Errorf("allowed_origins[%d]: must be as a browser sends it, such as https://shop.example: lower case, no path, no default port; is %q", i, origin))
		}
	}
	if c.LoadTimeout <= 0 || c.LoadTimeout > time.Minute {
		mistakes = append(mistakes, fmt.Errorf("load_timeout: must be over 0 and at most 1m, is %v", c.LoadTimeout))
	}
	return errors.Join(mistakes...)
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || s != u.Scheme+"://"+u.Host || s != strings.ToLower(s) || !isHeaderWord(s) {
		return false
	}
	return u.Scheme == "https" && u.Port() != "443" || u.Scheme == "http" && u.Port() != "80"
}

// checkURL never repeats the address: it may hold a password.
func checkURL(key, address, empty string) error {
	u, err := url.Parse(address)
	if address == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" {
		return nil
	}
	return fmt.Errorf("%s: must be an address such as https://host.example/path; %s", key, empty)
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
	return errors.Join(mistakes...)
}

// Validate lists every mistake in t, each as "key: what is wrong".
func (t Telemetry) Validate() error {
	return checkURL("otlp_endpoint", t.OTLPEndpoint, "an empty one switches traces off")
}
