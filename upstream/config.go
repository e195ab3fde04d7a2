package upstream

import (
	"errors"
	"fmt"
	"net/url"
)

// Config says where the Captcha API is and who asks; part of the section
// "upstream" of the configuration.
type Config struct {
	Endpoint  string `yaml:"endpoint"` // https://host or, for a simulator, http://host:port
	Region    string `yaml:"region"`   // X-TC-Region; the API does not need it
	SecretID  string `yaml:"secret_id"`
	SecretKey string `yaml:"secret_key"`
	Apps      []App  `yaml:"apps"`
}

// An App is one CAPTCHA of the account and the key that belongs to it.
type App struct {
	CaptchaAppID uint64 `yaml:"captcha_app_id"`
	AppSecretKey string `yaml:"app_secret_key"`
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	u, err := url.Parse(c.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil {
		add("endpoint: must be https://HOST (or http://HOST:PORT for a simulator), without a path")
	}
	if c.SecretID == "" {
		add("secret_id: is empty; set the account's SecretId, for instance ${TENCENTCLOUD_SECRET_ID}")
	}
	if c.SecretKey == "" {
		add("secret_key: is empty; set the account's SecretKey, for instance ${TENCENTCLOUD_SECRET_KEY}")
	}
	if len(c.Apps) == 0 {
		add("apps: at least one {captcha_app_id, app_secret_key} is needed")
	}
	seen := map[uint64]bool{}
	for i, app := range c.Apps {
		if app.CaptchaAppID == 0 {
			add("apps[%d].captcha_app_id: must be the CaptchaAppId from the console, is 0", i)
		} else if seen[app.CaptchaAppID] {
			add("apps[%d].captcha_app_id: %d is listed twice", i, app.CaptchaAppID)
		}
		seen[app.CaptchaAppID] = true
		if app.AppSecretKey == "" {
			add("apps[%d].app_secret_key: is empty; set the AppSecretKey that belongs to %d", i, app.CaptchaAppID)
		}
	}
	return errors.Join(mistakes...)
}
