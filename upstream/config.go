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
	// SessionToken goes with temporary keys, those of a role, and is "" with others.
	SessionToken string `yaml:"session_token"`
	Apps         []App  `yaml:"apps"`
}

// An App is one CAPTCHA of the account and the key that belongs to it.
type App struct {
	CaptchaAppID uint64 `yaml:"captcha_app_id"`
	AppSecretKey string `yaml:"app_secret_key"`
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	return errors.Join(
		c.validateEndpoint(),
		validateSecret("secret_id", c.SecretID, "set the account's SecretId, for instance ${TENCENTCLOUD_SECRET_ID}"),
		validateSecret("secret_key", c.SecretKey, "set the account's SecretKey, for instance ${TENCENTCLOUD_SECRET_KEY}"),
		c.validateSessionToken(),
		c.validateApps(),
	)
}

// validateSessionToken: it goes into a header.
func (c Config) validateSessionToken() error {
	if !printable(c.SessionToken) {
		return errors.New("session_token: holds a space, a line end or a letter beyond ASCII, which no token of Tencent's has; look at the file or variable it comes from, also at its end")
	}
	return nil
}

func (c Config) validateEndpoint() error {
	var mistakes []error
	u, err := url.Parse(c.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil ||
		(u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		mistakes = append(mistakes, errors.New("endpoint: must be https://HOST (or http://HOST:PORT for a simulator), without a path"))
	}
	if !printable(c.Region) {
		mistakes = append(mistakes, errors.New("region: must be a region's short name such as ap-guangzhou, or empty"))
	}
	return errors.Join(mistakes...)
}

func (c Config) validateApps() error {
	if len(c.Apps) == 0 {
		return errors.New("apps: at least one {captcha_app_id, app_secret_key} is needed")
	}
	var mistakes []error
	seen := map[uint64]bool{}
	for i, app := range c.Apps {
		key := fmt.Sprintf("apps[%d].captcha_app_id", i)
		if app.CaptchaAppID == 0 {
			mistakes = append(mistakes, fmt.Errorf("%s: must be the CaptchaAppId from the console, is 0", key))
		} else if seen[app.CaptchaAppID] {
			mistakes = append(mistakes, fmt.Errorf("%s: %d is listed twice", key, app.CaptchaAppID))
		}
		seen[app.CaptchaAppID] = true
		remedy := "set the AppSecretKey of this captcha_app_id"
		if app.CaptchaAppID != 0 {
			remedy = fmt.Sprintf("set the AppSecretKey of %d", app.CaptchaAppID)
		}
		mistakes = append(mistakes, validateSecret(fmt.Sprintf("apps[%d].app_secret_key", i), app.AppSecretKey, remedy))
	}
	return errors.Join(mistakes...)
}

// validateSecret never shows the value.
func validateSecret(key, value, remedy string) error {
	if value == "" {
		return fmt.Errorf("%s: is empty; %s", key, remedy)
	}
	if !printable(value) {
		return fmt.Errorf("%s: holds a space, a line end or a letter beyond ASCII, which no secret of Tencent's has; look at the file or variable it comes from, also at its end", key)
	}
	return nil
}

// printable reports whether s is ASCII without spaces and controls. The id and
// the region go into headers, where a line end would break every call.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
