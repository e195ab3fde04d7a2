package alarms

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"captchagate/webhook"
)

// Config is the section "alarms" of the configuration.
type Config struct {
	Webhook string `yaml:"webhook"` // where alarms go; "" = nowhere
	Secret  string `yaml:"secret"`  // signs them, in the way of the format
	Format  string `yaml:"format"`  // json, or a chat's
}

// The formats.
const (
	JSON     = "json"
	WeCom    = "wecom"
	DingTalk = "dingtalk"
	Feishu   = "feishu"
	Slack    = "slack"
)

var formats = []string{JSON, WeCom, DingTalk, Feishu, Slack}

// Signs reports whether the format has a way to sign.
func (c Config) Signs() bool { return c.Format != WeCom && c.Format != Slack }

// Validate lists every mistake in c, each as "key: what is wrong". It repeats nothing of
// the webhook's address: that of a chat is a key.
func (c Config) Validate() error {
	var mistakes []error
	if !slices.Contains(formats, c.Format) {
		mistakes = append(mistakes, fmt.Errorf("format: must be one of %s, is %q", strings.Join(formats, ", "), c.Format))
	}
	if c.Webhook == "" {
		return errors.Join(mistakes...)
	}
	if err := webhook.CheckAddress(c.Webhook); err != nil {
		mistakes = append(mistakes, fmt.Errorf("webhook: %w; an empty one switches alarms off", err))
	}
	if c.Secret == "" && c.Format == JSON {
		mistakes = append(mistakes, errors.New("secret: is empty, but alarms to webhook must be signed; set one, for instance ${file:/run/secrets/alarms}"))
	}
	return errors.Join(mistakes...)
}
