package redis_test

import (
	"os"
	"path/filepath"
	"testing"

	"captchagate/store/redis"
	"captchagate/store/redis/redistest"
)

// lastRelease is where the scripts of the last release are kept: instances of it share a
// Redis with those of this one during a rolling upgrade.
const lastRelease = "testdata/069e3c6"

// released is a board as instances of the last release have it.
func released(t *testing.T, s *redistest.Server) *redis.Board {
	t.Helper()
	scripts := map[string]string{}
	for _, name := range []string{"beat", "take"} {
		text, err := os.ReadFile(filepath.Join(lastRelease, name+".lua"))
		if err != nil {
			t.Fatal(err)
		}
		scripts[name] = string(text)
	}
	b := open(t, s)
	b.Use(scripts["beat"], scripts["take"])
	return b
}

// Instances of the last release and of this one have one board: what either writes the
// other reads, and whoever is asked answers alike (F12). If this fails because a script
// takes other arguments now, call the old one with the old ones here.
func TestBoard_IsSharedWithTheLastRelease(t *testing.T) {
	s := redistest.Start(t)
	if _, different := compareBeats(t, s, *beats/2, short, open(t, s), released(t, s)); different != "" {
		t.Error(different)
	}
	if _, different := compareWants(t, s, *wants/2, open(t, s), released(t, s)); different != "" {
		t.Error(different)
	}
}
