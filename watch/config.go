package watch

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// ScriptConfig says how the page's script is looked at: the section
// "script_probe" of the configuration.
type ScriptConfig struct {
	URL      string        `yaml:"url"`      // "" = off
	Interval time.Duration `yaml:"interval"` // between probes, give or take 10 %; at least 1s
	Failures int           `yaml:"failures"` // in a row that mean "down"; 1..100
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c ScriptConfig) Validate() error {
	var mistakes []error
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		mistakes = append(mistakes, errors.New("url: must be the script's whole address such as https://host/script.js; an empty one switches the probe off"))
	}
	if c.Interval < time.Second {
		mistakes = append(mistakes, fmt.Errorf("interval: must be at least 1s, is %v; the script is not ours to hammer", c.Interval))
	}
	if c.Failures < 1 || c.Failures > 100 {
		mistakes = append(mistakes, fmt.Errorf("failures: must be between 1 and 100, is %d", c.Failures))
	}
	return errors.Join(mistakes...)
}
