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
	return errors.Join(c.shortSecrets(), c.shortAccount(), c.wideProxies(), c.inTheClear(), c.idleBudgets(), c.mutePages(), c.expiring(), c.unsignedAlarms(), c.exposed(), c.boundless(), c.cheapChallenge())
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
	look("alarms.secret", c.Alarms.Secret)
	look("store.secret", c.Store.Secret)
	return errors.Join(odd...)
}

// accountBytes is less than any SecretId, SecretKey or AppSecretKey of Tencent's has.
const accountBytes = 10

// shortAccount: nobody can guess these at the API, but one that is too short is cut.
func (c Config) shortAccount() error {
	var odd []error
	look := func(key, secret string) {
		if len(secret) < accountBytes {
			odd = append(odd, fmt.Errorf("%s: has fewer than %d letters, and none of Tencent's is so short; look at where it comes from", key, accountBytes))
		}
	}
	look("upstream.secret_id", c.Upstream.SecretID)
	look("upstream.secret_key", c.Upstream.SecretKey)
	for i, one := range c.DropIn.Credentials {
		look(fmt.Sprintf("drop_in.credentials[%d].secret_id", i), one.SecretID)
		look(fmt.Sprintf("drop_in.credentials[%d].secret_key", i), one.SecretKey)
	}
	for i, app := range c.Upstream.Apps {
		look(fmt.Sprintf("upstream.apps[%d].app_secret_key", i), app.AppSecretKey)
	}
	return errors.Join(odd...)
}

// wideProxies: whoever is within may say of any user where he is.
func (c Config) wideProxies() error {
	var odd []error
	for i, p := range c.TrustedProxies {
		if least := map[bool]int{true: 8, false: 16}[p.Addr().Is4()]; p.Bits() < least {
			odd = append(odd, fmt.Errorf("trusted_proxies[%d]: %v is much of the internet, and all of it is believed about where users are, so that limits by address bound nobody; name your proxies, for instance 10.1.2.0/28", i, p))
		}
	}
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
	if leavesInTheClear(c.Alarms.Webhook) {
		odd = append(odd, errors.New("alarms.webhook: is plain http to another machine: who is on the way reads the alarms, and can swallow them; write https://"))
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

// unsignedAlarms: who wrote a secret expects it to sign.
func (c Config) unsignedAlarms() error {
	if c.Alarms.Webhook == "" || c.Alarms.Secret == "" || c.Alarms.Signs() {
		return nil
	}
	return fmt.Errorf("alarms.secret: signs nothing, because %s has no way to; its webhook's address is the key. Leave the secret out", c.Alarms.Format)
}

// mutePages: who calls as an SDK does gets no challenge to show.
func (c Config) mutePages() error {
	if c.DropIn.Scene == "" {
		return nil
	}
	var odd []error
	look := func(key, scene string) {
		if c.Scenes[scene].Degraded == policy.Challenge {
			odd = append(odd, fmt.Errorf("%s: scene %s challenges while nobody can verify, and a caller of the drop-in has no challenge to show: its users are not let in then (CaptchaCode 21); take a scene with degraded: allow, or with deny if that is meant", key, scene))
		}
	}
	look("drop_in.scene", c.DropIn.Scene)
	for _, app := range slices.Sorted(maps.Keys(c.DropIn.ByApp)) {
		look("drop_in.by_app."+app, c.DropIn.ByApp[app])
	}
	return errors.Join(odd...)
}
