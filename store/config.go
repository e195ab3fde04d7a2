package store

import "errors"

// Config says where the gateway keeps what must outlive a request: the section
// "store" of the configuration.
type Config struct {
	Path string `yaml:"path"` // file of one instance, from the working directory
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	if c.Path == "" {
		return errors.New("path: is empty; name the file of the store, for instance data/gateway.db")
	}
	return nil
}
