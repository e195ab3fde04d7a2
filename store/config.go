package store

import (
	"errors"
	"fmt"
	"regexp"
)

// Config says where the gateway keeps what must outlive a request: the section
// "store" of the configuration.
type Config struct {
	Path   string `yaml:"path"`   // file of one instance, from the working directory
	Redis  Redis  `yaml:"redis"`  // what a fleet talks through; none = one instance
	Prefix string `yaml:"prefix"` // of the names in Redis
	Secret string `yaml:"secret"` // keys names and places of users; required with Redis

	Patience int `yaml:"-"` // for how many times the usual time Redis and the disk are waited for; 0 = 1, and no file says another
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_.:-]{0,64}$`)

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	if c.Path == "" {
		mistakes = append(mistakes, errors.New("path: is empty; name the file of the store, for instance data/gateway.db"))
	}
	if !prefixForm.MatchString(c.Prefix) {
		mistakes = append(mistakes, errors.New("prefix: must be at most 64 letters, digits, _, ., : and -"))
	}
	if len(c.Redis) > 0 && c.Secret == "" {
		mistakes = append(mistakes, errors.New("secret: is empty, and instances that share a Redis need one; take a random one, for instance from: openssl rand -hex 24, and give all of them the same"))
	}
	if len(c.Redis) == 0 && c.Secret != "" {
		mistakes = append(mistakes, errors.New("secret: is for instances that share a Redis, and store.redis is empty; leave it out, or set store.redis"))
	}
	if _, err := c.Redis.Parse(); err != nil {
		mistakes = append(mistakes, fmt.Errorf("redis: %w", err))
	}
	return errors.Join(mistakes...)
}
