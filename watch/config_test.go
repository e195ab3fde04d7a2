package watch_test

import (
	"strings"
	"testing"
	"time"

	"captchagate/watch"
)

func TestScriptConfig_ListsEveryMistake(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  watch.ScriptConfig
		keys []string
	}{
		"fine":        {watch.ScriptConfig{URL: "https://a/b.js", Interval: time.Second, Failures: 1}, nil},
		"off":         {watch.ScriptConfig{Interval: time.Second, Failures: 100}, nil},
		"all wrong":   {watch.ScriptConfig{URL: "a/b.js", Failures: 101}, []string{"url:", "interval:", "failures:"}},
		"other wrong": {watch.ScriptConfig{URL: "ftp://a/b", Interval: time.Second - 1}, []string{"url:", "interval:", "failures:"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := c.cfg.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(c.keys) {
				t.Fatalf("%d mistakes, want %d: %q", len(got), len(c.keys), got)
			}
			for i, key := range c.keys {
				if !strings.HasPrefix(got[i], key+" ") {
					t.Errorf("%q does not begin with %q", got[i], key)
				}
			}
		})
	}
}
