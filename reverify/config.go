package reverify

import (
	"errors"
	"fmt"

	"captchagate/webhook"
)

// Config is the section "reverify" of the configuration.
type Config struct {
	Webhook string `yaml:"webhook"` // where reports go; "" = nowhere, they can be read for 24 hours
	Secret  string `yaml:"secret"`  // signs the reports
}

// Validate lists every mistake in c, each as "key: what is wrong". It repeats
// nothing of the webhook's address, which may hold a token.
func (c Config) Validate() error {
	if c.Webhook == "" {
		return nil
	}
	var mistakes []error
	if err := webhook.CheckAddress(c.Webhook); err != nil {
		mistakes = append(mistakes, fmt.Errorf("webhook: %w; an empty one switches reports off", err))
	}
	if c.Secret == "" {
		mistakes = append(mistakes, errors.New("secret: is empty, but reports to webhook must be signed; set one, for instance ${REVERIFY_SECRET}"))
	}
	return errors.Join(mistakes...)
}
