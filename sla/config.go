package sla

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // the zone is to be known where the system knows none
)

// Config is what the provider's agreement promises: the section "sla" of the
// configuration. Its defaults are those of the China site, as documented in 2023.
type Config struct {
	Target          float64 `yaml:"target"`            // promised availability of a month; above 0, at most 1
	MinuteErrorRate float64 `yaml:"minute_error_rate"` // above it a minute is unavailable; 0 up to, not including, 1
	Zone            string  `yaml:"zone"`              // of the months, a name of the IANA database
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	if !(c.Target > 0 && c.Target <= 1) {
		mistakes = append(mistakes, fmt.Errorf("target: must be above 0 and at most 1, is %v; 0.9999 is 99.99 %%", c.Target))
	}
	if !(c.MinuteErrorRate >= 0 && c.MinuteErrorRate < 1) {
		mistakes = append(mistakes, fmt.Errorf("minute_error_rate: must be at least 0 and below 1, is %v; 0.0001 is 0.01 %%", c.MinuteErrorRate))
	}
	if _, err := c.zone(); err != nil {
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}

// zone is the zone of the months. "Local" would be another one on each machine.
func (c Config) zone() (*time.Location, error) {
	if zone, err := time.LoadLocation(c.Zone); err == nil && c.Zone != "" && c.Zone != "Local" {
		return zone, nil
	}
	return nil, fmt.Errorf("zone: %q is no time zone; take a name such as Asia/Shanghai, Europe/Berlin or UTC", c.Zone)
}
