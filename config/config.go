// Package config is the gateway's configuration: a section of the file is one
// room's own Config. Loading it is strict, and the only place that looks at the
// environment: defaults, then the file, then GATEWAY__SECTION__KEY.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"captchagate/admin"
	"captchagate/alarms"
	"captchagate/breaker"
	"captchagate/certs"
	"captchagate/challenge"
	"captchagate/configs"
	"captchagate/policy"
	"captchagate/public"
	"captchagate/reverify"
	"captchagate/sla"
	"captchagate/store"
	"captchagate/strictyaml"
	"captchagate/trace"
	"captchagate/upstream"
	"captchagate/watch"
	"captchagate/web"
)

// Config is the whole configuration of the gateway. configs/defaults.yaml
// explains every key and holds its default.
type Config struct {
	Version         int                     `yaml:"version"`         // of the file's form, formVersion
	Listen          string                  `yaml:"listen"`          // host:port for backends and pages
	MaxConnections  int                     `yaml:"max_connections"` // on listen, at least 1
	TLS             certs.Config            `yaml:"tls"`             // of listen
	TrustedProxies  []netip.Prefix          `yaml:"trusted_proxies"` // whose X-Forwarded-For is believed
	APIKeys         []public.APIKey         `yaml:"api_keys"`        // none = listen must be loopback
	Admin           admin.Config            `yaml:"admin"`
	Upstream        Upstream                `yaml:"upstream"`
	Breaker         breaker.Config          `yaml:"breaker"`
	Scenes          map[string]policy.Scene `yaml:"scenes"`
	DisasterTickets policy.DisasterTickets  `yaml:"disaster_tickets"`
	ScriptProbe     watch.ScriptConfig      `yaml:"script_probe"`
	Challenge       challenge.Config        `yaml:"challenge"`
	Store           store.Config            `yaml:"store"`
	Reverify        reverify.Config         `yaml:"reverify"`
	Alarms          alarms.Config           `yaml:"alarms"`
	SLA             sla.Config              `yaml:"sla"`
	DropIn          public.DropIn           `yaml:"drop_in"`
	Client          web.Config              `yaml:"client"`
	Shutdown        Shutdown                `yaml:"shutdown"`
	Log             Log                     `yaml:"log"`
	Telemetry       trace.Config            `yaml:"telemetry"`

	warnings strictyaml.Mistakes // with their places, if Load made it
	sections []string            // that the file has

	keySources keySources
}

// Upstream says where the Captcha API is, who asks it and within which limits.
type Upstream struct {
	upstream.Config `yaml:",inline"`
	breaker.Limits  `yaml:",inline"`
}

// Shutdown says how the process ends on a signal: it is not ready for Delay and
// serves on, so that load balancers notice; then it takes no new connections, and
// requests in flight have Timeout to end.
type Shutdown struct {
	Delay   time.Duration `yaml:"delay"`   // 0..10m
	Timeout time.Duration `yaml:"timeout"` // 100ms..10m
}

// Validate lists every mistake in s, each as "key: what is wrong".
func (s Shutdown) Validate() error {
	var mistakes []error
	if s.Delay < 0 || s.Delay > maxShutdown {
		mistakes = append(mistakes, fmt.Errorf("delay: must be from 0s to %v, is %v", maxShutdown, s.Delay))
	}
	if s.Timeout < 100*time.Millisecond || s.Timeout > maxShutdown {
		mistakes = append(mistakes, fmt.Errorf("timeout: must be from 100ms to %v, is %v", maxShutdown, s.Timeout))
	}
	return errors.Join(mistakes...)
}

const maxShutdown = 10 * time.Minute

// Log says how much is logged and in which form.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // json or text
	// Decisions says which decisions have a line: all, exceptions (those that are
	// not verified) or none.
	Decisions string `yaml:"decisions"`
}

// SlogLevel is the level for a slog.Handler; info if Level is not known.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// kind is what a configuration file is called in mistakes.
var kind = strictyaml.Kind{Name: "configuration", Sample: "configs/gateway.yaml"}

// Defaults is what holds if a file says nothing: configs/defaults.yaml
// without any environment. It is not complete: an account and an app are
// missing, and Validate says so.
func Defaults() Config { return defaultsFrom(strictyaml.Environment{}) }

// defaultsFrom takes ${…} from env, and nothing if that has nothing: the check
// for empty secrets has the better words for it.
func defaultsFrom(env strictyaml.Environment) Config {
	var c Config
	doc := strictyaml.Parse("configs/defaults.yaml", []byte(configs.Defaults()), kind)
	doc.Decode(&c, func(text string) (string, []string) {
		text, _ = env.Expand(text)
		return text, nil
	})
	if err := doc.Err(); err != nil {
		panic(err) // the file is part of the program
	}
	return c
}

// Load reads the configuration at path over the defaults, then overrides it
// from environ, which is of the form of os.Environ. The error is
// strictyaml.Mistakes, and holds everything that is wrong.
func Load(path string, environ []string) (Config, error) {
	if path == "" {
		return Config{}, strictyaml.Mistakes{{Text: "no configuration file is named; say --config FILE"}}
	}
	text, err := strictyaml.ReadFile(path)
	if err != nil {
		return Config{}, strictyaml.Mistakes{{File: path, Text: err.Error()}}
	}
	return parse(path, text, environ)
}

// LoadAdmin is the section "admin" of the configuration at path. What else it holds, and
// tokens, may be wrong or refer to secrets that are not in environ.
func LoadAdmin(path string, environ []string) (admin.Config, error) {
	judge := func(c Config) error { return strictyaml.Under("admin", c.Admin.Validate()) }
	c, err := loadPart(path, environ, judge, "admin.listen", "admin.token_file")
	return c.Admin, err
}

// LoadURL is where a command on the same machine reaches the listener for backends and
// pages of the configuration at path; "" if only a running gateway knows. What else the
// file holds may be wrong, as with LoadAdmin.
func LoadURL(path string, environ []string) (string, error) {
	judge := func(c Config) error { _, _, err := splitListen(c.Listen); return err }
	c, err := loadPart(path, environ, judge, "listen", "tls.cert")
	return c.TLS.URL(c.Listen), err
}

// LoadScenes are the names of the scenes of the configuration at path, sorted. What it holds
// may be wrong, as long as it is YAML.
func LoadScenes(path string, environ []string) ([]string, error) {
	c, err := loadPart(path, environ, func(Config) error { return nil })
	return slices.Sorted(maps.Keys(c.Scenes)), err
}

// loadPart is Load for some keys: only what judge and reading find wrong with those counts.
func loadPart(path string, environ []string, judge func(Config) error, keys ...string) (Config, error) {
	text, err := strictyaml.ReadFile(path)
	if err != nil {
		return Config{}, strictyaml.Mistakes{{File: path, Text: err.Error()}}
	}
	c := Defaults()
	env := strictyaml.EnvironmentOf(environ)
	doc := strictyaml.Parse(path, text, kind)
	doc.Decode(&c, env.Expand)
	doc.Override("GATEWAY", env, "")
	doc.Judge(judge(c))
	wrong := slices.DeleteFunc(doc.Mistakes(), func(m strictyaml.Mistake) bool {
		return m.Key != "yaml" && !slices.Contains(keys, m.Key)
	})
	if len(wrong) > 0 {
		return Config{}, wrong
	}
	return c, nil
}

func parse(path string, text []byte, environ []string) (Config, error) {
	doc := strictyaml.Parse(path, text, kind)
	if doc.Has("phases") && doc.Has("objectives") && !doc.Has("upstream") {
		return Config{}, strictyaml.Mistakes{{File: path, Text: "looks like a scenario of the load test and not like a configuration; play it with \"loadtest --scenario FILE\", or begin a configuration with a copy of configs/gateway.yaml"}}
	}
	env := strictyaml.EnvironmentOf(environ)
	c := defaultsFrom(env)
	doc.Decode(&c, env.Expand)
	doc.Override("GATEWAY", env, "look at configs/defaults.yaml; scenes and list entries must be in the file")
	doc.Judge(errors.Join(c.Validate(), c.checkCertificates()))
	if err := doc.Err(); err != nil {
		return Config{}, err
	}
	doc.Judge(errors.Join(doc.Doubts(), c.doubts(), c.openSecrets(doc, path)))
	c.warnings, c.sections, c.keySources = doc.Mistakes(), doc.Keys(), keySourcesOf(c, doc, env)
	return c, nil
}

// YAML writes the effective configuration, every key of it, without secrets.
func (c Config) YAML() ([]byte, error) {
	scenes := make(map[string]policy.Scene, len(c.Scenes))
	for name, s := range c.Scenes {
		scenes[name] = s.WithDefaults()
	}
	c.Scenes = scenes
	return strictyaml.Marshal(&c)
}

// Changed names the sections in which two configurations differ, in the order
// of the file.
func Changed(a, b Config) (sections []string) {
	was, is := reflect.ValueOf(a), reflect.ValueOf(b)
	for field := range was.Type().Fields() {
		section := field.Tag.Get("yaml")
		if section != "" && !reflect.DeepEqual(was.FieldByIndex(field.Index).Interface(), is.FieldByIndex(field.Index).Interface()) {
			sections = append(sections, section)
		}
	}
	return sections
}
