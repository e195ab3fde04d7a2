// Package config is the gateway's configuration: a section of the file is one
// room's own Config. Loading it is strict, and the only place that looks at the
// environment: defaults, then the file, then GATEWAY__SECTION__KEY.
package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"time"

	"captchagate/admin"
	"captchagate/breaker"
	"captchagate/challenge"
	"captchagate/configs"
	"captchagate/policy"
	"captchagate/store"
	"captchagate/upstream"
)

// Config is the whole configuration of the gateway. configs/defaults.yaml
// explains every key and holds its default.
type Config struct {
	Listen          string                  `yaml:"listen"`          // host:port for backends and pages
	TrustedProxies  []netip.Prefix          `yaml:"trusted_proxies"` // whose X-Forwarded-For is believed
	APIKeys         []APIKey                `yaml:"api_keys"`        // none = listen must be loopback
	Admin           admin.Config            `yaml:"admin"`
	Upstream        Upstream                `yaml:"upstream"`
	Breaker         breaker.Config          `yaml:"breaker"`
	Scenes          map[string]policy.Scene `yaml:"scenes"`
	DisasterTickets policy.DisasterTickets  `yaml:"disaster_tickets"`
	ScriptProbe     ScriptProbe             `yaml:"script_probe"`
	Challenge       challenge.Config        `yaml:"challenge"`
	Store           store.Config            `yaml:"store"`
	Reverify        Reverify                `yaml:"reverify"`
	DropIn          DropIn                  `yaml:"drop_in"`
	Client          Client                  `yaml:"client"`
	Log             Log                     `yaml:"log"`
	Telemetry       Telemetry               `yaml:"telemetry"`

	warnings Mistakes // with their places, where Load made it
}

// An APIKey lets one backend in.
type APIKey struct {
	Name   string   `yaml:"name"` // for logs
	Key    string   `yaml:"key"`
	Scenes []string `yaml:"scenes,omitempty"` // none = all
}

// Upstream says where the Captcha API is, who asks it and within which limits.
type Upstream struct {
	upstream.Config `yaml:",inline"`
	breaker.Limits  `yaml:",inline"`
}

// ScriptProbe fetches the page's script to see for itself whether it loads.
type ScriptProbe struct {
	URL      string        `yaml:"url"` // "" = off
	Interval time.Duration `yaml:"interval"`
	Failures int           `yaml:"failures"` // in a row that corroborate a disaster ticket
}

// Reverify says who is told what re-verification found.
type Reverify struct {
	Webhook string `yaml:"webhook"` // "" = nobody
	Secret  string `yaml:"secret"`  // signs the reports
}

// DropIn answers Tencent SDKs whose endpoint was changed to the gateway.
type DropIn struct {
	Scene string `yaml:"scene"` // "" = off
}

// Client says which pages may use the gateway and how they load the script.
type Client struct {
	AllowedOrigins []string      `yaml:"allowed_origins"`
	Script         string        `yaml:"script"`
	LoadTimeout    time.Duration `yaml:"load_timeout"`
}

// Log says how much is logged and in which form.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // json or text
}

// SlogLevel is the level for a slog.Handler; info where Level is not known.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// Telemetry says where traces go.
type Telemetry struct {
	OTLPEndpoint string `yaml:"otlp_endpoint"` // "" = nowhere
}

// Defaults is what holds where a file says nothing: configs/defaults.yaml
// without any environment. It is not complete: an account and an app are
// missing, and Validate says so.
func Defaults() Config { return defaultsFrom(environment{}) }

// defaultsFrom takes ${…} from env, and nothing where that has nothing: the
// check for empty secrets has the better words for it.
func defaultsFrom(env environment) Config {
	d := newDecoder("configs/defaults.yaml", func(text string) (string, []string) {
		text, _ = env.expand(text)
		return text, nil
	})
	var c Config
	root, complaints := parse([]byte(configs.Defaults()))
	d.take(complaints)
	if root != nil {
		d.decode(root, "", reflect.ValueOf(&c).Elem())
	}
	if len(d.mistakes) > 0 {
		panic(d.mistakes.Error()) // the file is part of the program
	}
	return c
}

// Load reads the configuration at path over the defaults, then overrides it
// from environ, which is of the form of os.Environ. The error is Mistakes, and
// holds everything that is wrong.
func Load(path string, environ []string) (Config, error) {
	text, err := read(path)
	if err != nil {
		return Config{}, Mistakes{{File: path, Text: err.Error()}}
	}
	env := environmentOf(environ)
	c := defaultsFrom(env)
	d := newDecoder(path, env.expand)
	root, complaints := parse(text)
	d.take(complaints)
	if root == nil {
		return Config{}, d.mistakes
	}
	if isScenario(root) {
		return Config{}, Mistakes{{File: path, Text: "looks like a scenario of the load test and not like a configuration; play it with \"loadtest --scenario FILE\", or begin a configuration with a copy of configs/gateway.yaml"}}
	}
	d.decode(root, "", reflect.ValueOf(&c).Elem())
	d.override(env, &c)
	d.settleStore(&c.Store)
	d.judge(c.Validate())
	if len(d.mistakes) > 0 {
		d.mistakes.sort()
		d.hideSecrets(c)
		return Config{}, d.mistakes
	}
	d.judge(c.doubts())
	d.mistakes.sort()
	c.warnings = d.mistakes
	return c, nil
}

// maxFile bounds what is read; a configuration has a few kilobytes.
const maxFile = 1 << 20

func read(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("no configuration file is named; say --config FILE")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w; look at the path and its rights", unpath(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w; look at the path and its rights", unpath(err))
	}
	if len(text) > maxFile {
		return nil, errors.New("is over 1 MiB, which is more than it can need; look at the path")
	}
	return text, nil
}

// unpath leaves out the path, which stands in front of the message already.
func unpath(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return failed.Err
	}
	return err
}

// settleStore lets redis alone stand for the whole section: the default path
// falls away, and the default prefix comes in.
func (d *decoder) settleStore(s *store.Config) {
	if s.Redis == "" {
		return
	}
	if _, said := d.written["store.path"]; !said {
		s.Path = ""
	}
	if _, said := d.written["store.prefix"]; !said {
		s.Prefix = "captchagate:"
	}
}

// Changed names the sections in which two configurations differ, in the order
// of the file.
func Changed(a, b Config) (sections []string) {
	was := fieldsOf(reflect.ValueOf(&a).Elem())
	for i, is := range fieldsOf(reflect.ValueOf(&b).Elem()) {
		if !reflect.DeepEqual(was[i].value.Interface(), is.value.Interface()) {
			sections = append(sections, is.key)
		}
	}
	return sections
}
