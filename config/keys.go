package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"captchagate/strictyaml"
	"captchagate/upstream"
)

// Keys that come from files are read again when those change; they are the secrets of
// upstream and of drop_in.credentials.

// keySources are the keys whose values come from files, as the configuration's file has
// them: with their ${file:PATH}.
type keySources struct {
	as  map[string]string
	env strictyaml.Environment
}

func keySourcesOf(c Config, doc *strictyaml.Document, env strictyaml.Environment) (s keySources) {
	for key := range c.keys() {
		if source := doc.Source(key); strings.Contains(source, "${file:") {
			if s.as == nil {
				s = keySources{map[string]string{}, env}
			}
			s.as[key] = source
		}
	}
	return s
}

// keys are where c has the keys that may change.
func (c *Config) keys() map[string]*string {
	at := map[string]*string{
		"upstream.secret_id": &c.Upstream.SecretID, "upstream.secret_key": &c.Upstream.SecretKey, "upstream.session_token": &c.Upstream.SessionToken,
	}
	for i := range c.Upstream.Apps {
		at[fmt.Sprintf("upstream.apps[%d].app_secret_key", i)] = &c.Upstream.Apps[i].AppSecretKey
	}
	for i := range c.DropIn.Credentials {
		one := &c.DropIn.Credentials[i]
		at[fmt.Sprintf("drop_in.credentials[%d].secret_id", i)] = &one.SecretID
		at[fmt.Sprintf("drop_in.credentials[%d].secret_key", i)] = &one.SecretKey
	}
	return at
}

// ReadKeys returns the values of the keys that come from files, as those are now. The
// error is strictyaml.Mistakes.
func (c Config) ReadKeys() (map[string]string, error) {
	values := map[string]string{}
	var wrong strictyaml.Mistakes
	for _, key := range slices.Sorted(maps.Keys(c.keySources.as)) {
		value, problems := c.keySources.env.Expand(c.keySources.as[key])
		for _, one := range problems {
			wrong = append(wrong, strictyaml.Mistake{Key: key, Text: one})
		}
		values[key] = value
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return values, nil
}

// WithKeys returns c with these values of keys, and the keys whose values they change.
func (c Config) WithKeys(values map[string]string) (next Config, changed []string) {
	next = c
	next.Upstream.Apps, next.DropIn.Credentials = slices.Clone(c.Upstream.Apps), slices.Clone(c.DropIn.Credentials)
	at := next.keys()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if value := values[key]; *at[key] != value {
			*at[key] = value
			changed = append(changed, key)
		}
	}
	return next, changed
}

// TakeKeys returns c with the keys of from, and with the files that they come from: those
// of upstream if it is the same apps that both have, those of the drop-in if that is on.
func (c Config) TakeKeys(from Config) Config {
	next, _ := c.WithKeys(nil)
	next.keySources = keySources{map[string]string{}, c.keySources.env}
	if from.keySources.env != nil {
		next.keySources.env = from.keySources.env
	}
	sources := func(of Config, section string) {
		for key, source := range of.keySources.as {
			if strings.HasPrefix(key, section) {
				next.keySources.as[key] = source
			}
		}
	}
	ofUpstream, ofDropIn := c, c
	if slices.EqualFunc(c.Upstream.Apps, from.Upstream.Apps, func(a, b upstream.App) bool { return a.CaptchaAppID == b.CaptchaAppID }) {
		ofUpstream = from
	}
	if c.DropIn.Scene != "" {
		ofDropIn = from
	}
	is, was := &next.Upstream, ofUpstream.Upstream
	is.SecretID, is.SecretKey, is.SessionToken, is.Apps = was.SecretID, was.SecretKey, was.SessionToken, slices.Clone(was.Apps)
	next.DropIn.Credentials = slices.Clone(ofDropIn.DropIn.Credentials)
	sources(ofUpstream, "upstream.")
	sources(ofDropIn, "drop_in.")
	return next
}
