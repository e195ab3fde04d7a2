package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"captchagate/policy"
	"captchagate/strictyaml"
)

// fewBytes is below what a random secret has: 16 bytes in hex are twice as long.
const fewBytes = 16

// Warnings is what Load found odd in the configuration and took all the same,
// in the order of strictyaml.Mistakes. None shows a secret.
func (c Config) Warnings() strictyaml.Mistakes { return slices.Clone(c.warnings) }

// doubts lists what is odd in c, each as "key: what is odd and what to do".
// Nothing of it is a mistake for sure, so none of it is refused.
func (c Config) doubts() error {
	return errors.Join(c.shortSecrets(), c.inTheClear(), c.idleBudgets())
}

func (c Config) shortSecrets() error {
	var odd []error
	look := func(key, secret string) {
		if secret != "" && len(secret) < fewBytes {
			odd = append(odd, fmt.Errorf("%s: has fewer than %d bytes and can be guessed; take a random one, for instance from: openssl rand -hex 24", key, fewBytes))
		}
	}
	for i, one := range c.APIKeys {
		look(fmt.Sprintf("api_keys[%d].key", i), one.Key)
	}
	for i, one := range c.Admin.Tokens {
		look(fmt.Sprintf("admin.tokens[%d].token", i), one.Token)
	}
	for _, secret := range c.Challenge.Secret {
		look("challenge.secret", secret)
	}
	look("reverify.secret", c.Reverify.Secret)
	return errors.Join(odd...)
}

// inTheClear never repeats an address: it may hold a password.
func (c Config) inTheClear() error {
	var odd []error
	if leavesInTheClear(c.Upstream.Endpoint) {
		odd = append(odd, errors.New("upstream.endpoint: is plain http to another machine: who is on the way reads tickets and app_secret_key, and can answer instead of the API; write https://"))
	}
	if leavesInTheClear(c.Reverify.Webhook) {
		odd = append(odd, errors.New("reverify.webhook: is plain http to another machine: who is on the way reads the reports, and can swallow them; write https://"))
	}
	return errors.Join(odd...)
}

func leavesInTheClear(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && !isLoopback(u.Hostname())
}

// idleBudgets: who wrote a budget expects it to bound something.
func (c Config) idleBudgets() error {
	var odd []error
	for _, name := range slices.Sorted(maps.Keys(c.Scenes)) {
		s := c.Scenes[name]
		if s.Degraded != policy.Allow && s.Budget != (policy.Budget{}) {
			odd = append(odd, fmt.Errorf("scenes.%s.budget: bounds what allow lets through, and with degraded: %s nobody is let through; leave it out, or say degraded: allow%s",
				name, s.Degraded, orChallengeBudget(s)))
		}
		if s.Degraded == policy.Deny && s.ChallengeBudget != (policy.Budget{}) {
			odd = append(odd, fmt.Errorf("scenes.%s.challenge_budget: bounds solved challenges, and with degraded: deny nobody is challenged; leave it out, or say degraded: challenge", name))
		}
	}
	return errors.Join(odd...)
}

func orChallengeBudget(s policy.Scene) string {
	if s.Degraded == policy.Challenge {
		return "; what bounds solved challenges is challenge_budget"
	}
	return ""
}
