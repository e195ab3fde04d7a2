package config

import (
	"errors"
	"fmt"
	"time"

	"captchagate/certs"
	"captchagate/strictyaml"
)

// checkCertificates lists what is wrong with the files of both sections tls.
func (c Config) checkCertificates() error {
	check := func(key string, section certs.Config) error {
		if !section.On() || section.Validate() != nil {
			return nil
		}
		_, err := section.Load(time.Now())
		return strictyaml.Under(key, err)
	}
	return errors.Join(check("tls", c.TLS), check("admin.tls", c.Admin.TLS))
}

// expiring: callers refuse a certificate that has expired, and then nobody gets in.
func (c Config) expiring() error {
	look := func(key string, section certs.Config) error {
		if !section.On() {
			return nil
		}
		p, err := section.Load(time.Now())
		if err != nil {
			return nil // it was in order a moment ago, and whoever serves it looks again
		}
		if doubt := p.Doubt(time.Now()); doubt != "" {
			return fmt.Errorf("%s.cert: %s", key, doubt)
		}
		return nil
	}
	return errors.Join(look("tls", c.TLS), look("admin.tls", c.Admin.TLS))
}
