package web

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config says which pages may call the gateway and what they are told: the
// section "client" of the configuration. New fills in what is zero.
type Config struct {
	AllowedOrigins []string      `yaml:"allowed_origins"` // whose pages may call, such as https://shop.example
	Script         string        `yaml:"script"`          // address of Tencent's page script; "" = the one of China
	LoadTimeout    time.Duration `yaml:"load_timeout"`    // for the script to load, and for show() to show; at most 1m, 0 = 5 s
	Reports        float64       `yaml:"-"`               // share of load failures reported, up to 1; 0 = a quarter, below 0 = none
	EncryptAppID   string        `yaml:"encrypt_app_id"`  // EncryptCBC or EncryptGCM: pages get their app id so, from GET /v1/app; "" = as it is
	TicketLife     time.Duration `yaml:"-"`               // how long a ticket is taken for good; 0 = 290 s
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.Script == "" {
		c.Script = defaultScript
	}
	if c.LoadTimeout == 0 {
		c.LoadTimeout = 5 * time.Second
	}
	if c.Reports == 0 {
		c.Reports = defaultReports
	}
	if c.TicketLife == 0 {
		c.TicketLife = ticketLife
	}
	return c
}

// Validate lists every mistake in c, each as "key: what is wrong". It repeats
// nothing of the script's address, which may hold a password.
func (c Config) Validate() error {
	var mistakes []error
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(c.Script); c.Script != "" && (err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http") {
		add("script: must be an address such as https://host.example/path; an empty one is the one of China")
	}
	for i, origin := range c.AllowedOrigins {
		if !isOrigin(origin) {
			add("allowed_origins[%d]: must be as a browser sends it, such as https://shop.example: lower case, no path, no default port; is %q", i, origin)
		}
	}
	if c.LoadTimeout <= 0 || c.LoadTimeout > time.Minute {
		add("load_timeout: must be over 0 and at most 1m, is %v", c.LoadTimeout)
	}
	if c.EncryptAppID != "" && c.EncryptAppID != EncryptCBC && c.EncryptAppID != EncryptGCM {
		add("encrypt_app_id: must be cbc or gcm, or empty if the console does not enforce it, is %q", c.EncryptAppID)
	}
	if c.Reports > 1 {
		add("reports: must be a share of at most 1, is %v", c.Reports)
	}
	if c.TicketLife < 0 {
		add("ticket_life: must not be negative, is %v", c.TicketLife)
	}
	return errors.Join(mistakes...)
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || s != u.Scheme+"://"+u.Host || s != strings.ToLower(s) || strings.ContainsFunc(s, isNoHeader) {
		return false
	}
	return u.Scheme == "https" && u.Port() != "443" || u.Scheme == "http" && u.Port() != "80"
}

// isNoHeader reports whether a header cannot carry r as part of a word.
func isNoHeader(r rune) bool { return r <= ' ' || r > '~' }
