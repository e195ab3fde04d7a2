package challenge

import (
	"errors"
	"fmt"
	"time"
)

// Config is the section "challenge" of the configuration.
type Config struct {
	Secret  string        `yaml:"secret"`  // "" = made once and kept in the store
	Cost    int           `yaml:"cost"`    // PBKDF2 iterations, 100..1,000,000
	Expires time.Duration `yaml:"expires"` // 1s..1h
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	if c.Cost < 100 || c.Cost > 1_000_000 {
		mistakes = append(mistakes, fmt.Errorf("cost: must be between 100 and 1000000, is %d", c.Cost))
	}
	if c.Expires < time.Second || c.Expires > time.Hour {
		mistakes = append(mistakes, fmt.Errorf("expires: must be between 1s and 1h, is %v", c.Expires))
	}
	return errors.Join(mistakes...)
}
