package store

import (
	"errors"
	"fmt"
)

// Config says where the gateway keeps what must outlive a request: the section
// "store" of the configuration.
type Config struct {
	Path   string `yaml:"path"`   // file of one instance, from the working directory
	Redis  string `yaml:"redis"`  // address of a fleet's shared store
	Prefix string `yaml:"prefix"` // of every key in Redis
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if c.Redis != "" {
		add("redis: the shared store of a fleet comes with a later version; leave it out and set path, one instance to a file")
	}
	switch {
	case c.Path == "" && c.Redis == "":
		add("path: is empty; name the file of the store, for instance data/gateway.db")
	case c.Path != "" && c.Redis != "":
		add("path: is set together with redis; keep one of the two")
	}
	if c.Prefix != "" && c.Redis == "" {
		add("prefix: only goes with redis; leave it out")
	}
	return errors.Join(mistakes...)
}
