package challenge

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config is the section "challenge" of the configuration.
type Config struct {
	Secret  Secrets       `yaml:"secret"`  // none = made once and kept in the store
	Cost    int           `yaml:"cost"`    // PBKDF2 iterations, 100..1,000,000
	Expires time.Duration `yaml:"expires"` // 1s..1h
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	for i, secret := range c.Secret {
		if secret == "" {
			mistakes = append(mistakes, fmt.Errorf("secret[%d]: is empty; set it, or take it out of the list", i))
		} else if slices.Index(c.Secret, secret) < i {
			mistakes = append(mistakes, fmt.Errorf("secret[%d]: stands in the list already; take it out", i))
		}
	}
	if c.Cost < 100 || c.Cost > 1_000_000 {
		mistakes = append(mistakes, fmt.Errorf("cost: must be between 100 and 1000000, is %d", c.Cost))
	}
	if c.Expires < time.Second || c.Expires > time.Hour {
		mistakes = append(mistakes, fmt.Errorf("expires: must be between 1s and 1h, is %v", c.Expires))
	}
	return errors.Join(mistakes...)
}

// Secrets are what challenges are signed with: the first signs, all check.
type Secrets []string

// UnmarshalText reads one secret; "" is none.
func (s *Secrets) UnmarshalText(text []byte) error {
	if *s = nil; len(text) > 0 {
		*s = Secrets{string(text)}
	}
	return nil
}
