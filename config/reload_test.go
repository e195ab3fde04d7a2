package config_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/config"
)

const settledFile = `upstream: {apps: [{captcha_app_id: 190000001, app_secret_key: an-app-secret-key}]}
scenes:
  default: {degraded: challenge}
  login: {degraded: challenge}
  payment: {degraded: deny}
`

var settledEnvironment = []string{"TENCENTCLOUD_SECRET_ID=AKIDTEST0123456789", "TENCENTCLOUD_SECRET_KEY=account-key-of-the-tests"}

// A file that is read while a copy of it is in progress is read again once it is whole:
// what there is of it is a valid configuration that lacks scenes.
func TestLoadSettled_WaitsForTheRestOfAFile(t *testing.T) {
	for name, cut := range map[string]string{
		"within a line":  "{degraded: deny}\n",
		"after a line":   "  payment:",
		"after a scene":  "  login:",
		"the last break": "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gateway.yaml")
			first := settledFile[:strings.LastIndex(settledFile, cut)]
			put(t, path, first)
			synctest.Test(t, func(t *testing.T) {
				go func() {
					time.Sleep(600 * time.Millisecond)
					put(t, path, settledFile)
				}()
				c, err := config.LoadSettled(t.Context(), path, settledEnvironment)
				if err != nil || len(c.Scenes) != 3 {
					t.Errorf("%d scenes of 3 (%v)", len(c.Scenes), err)
				}
			})
		})
	}
}

// One that has been there for a while is taken at once; one whose last line has no end
// is too, a second later.
func TestLoadSettled_TakesWhatIsSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	for text, want := range map[string]time.Duration{settledFile: 0, strings.TrimSpace(settledFile): time.Second} {
		put(t, path, text)
		synctest.Test(t, func(t *testing.T) {
			long := time.Now().Add(-time.Minute)
			if err := os.Chtimes(path, long, long); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			c, err := config.LoadSettled(t.Context(), path, settledEnvironment)
			if took := time.Since(began); err != nil || len(c.Scenes) != 3 || took != want {
				t.Errorf("%d scenes after %v, want 3 after %v (%v)", len(c.Scenes), took, want, err)
			}
		})
	}
}

// One that grows for ever is not taken, and one that is not there is told as at a start.
func TestLoadSettled_SaysWhatItCannotTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if _, err := config.LoadSettled(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a missing file: %v", err)
	}
	put(t, path, settledFile)
	synctest.Test(t, func(t *testing.T) {
		whole := make(chan struct{})
		go func() {
			defer close(whole)
			for n := range 30 {
				put(t, path, settledFile+strings.Repeat("# still\n", n))
				time.Sleep(700 * time.Millisecond)
			}
		}()
		if _, err := config.LoadSettled(t.Context(), path, settledEnvironment); err == nil || !strings.Contains(err.Error(), "is being written") {
			t.Errorf("a growing file: %v", err)
		}
		<-whole
	})
}

// What a configuration lost is named, and what it got is not.
func TestGone_NamesScenesKeysAndSections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	load := func(text string) config.Config {
		put(t, path, text)
		c, err := config.Load(path, settledEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	whole := load(settledFile + "api_keys: [{name: shop, key: shop-key-0123456789}]\nbreaker: {window: 30s}\n")
	cut := load(strings.ReplaceAll(settledFile, "  payment: {degraded: deny}\n", ""))
	if got, want := config.GoneOf(whole, cut).String(), "scenes: payment; api_keys: shop; sections of the file: api_keys, breaker"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := config.GoneOf(cut, whole).String(); got != "" {
		t.Errorf("nothing is gone: %q", got)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
}

// A secret that a copy is in progress of is waited for as the file itself is, and one that
// has been there for a while is not, though it has no line end.
func TestLoadSettled_WaitsForSecretsToo(t *testing.T) {
	folder := t.TempDir()
	path, secret := filepath.Join(folder, "gateway.yaml"), filepath.Join(folder, "key")
	put(t, path, strings.Replace(settledFile, "an-app-secret-key", `"${file:`+secret+`}"`, 1))
	put(t, secret, "a-cut-")
	synctest.Test(t, func(t *testing.T) {
		long := time.Now().Add(-time.Minute)
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(600 * time.Millisecond)
			put(t, secret, "a-cut-no-more-app-secret-key")
		}()
		c, err := config.LoadSettled(t.Context(), path, settledEnvironment)
		if err != nil || c.Upstream.Apps[0].AppSecretKey != "a-cut-no-more-app-secret-key" {
			t.Errorf("%v, %v", c.Upstream.Apps, err)
		}
		if err := os.Chtimes(secret, long, long); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := config.LoadSettled(t.Context(), path, settledEnvironment); err != nil || time.Since(began) != 0 {
			t.Errorf("a settled one took %v (%v)", time.Since(began), err)
		}
	})
}

// A process that ends while it waits says that, and blames no file.
func TestLoadSettled_SaysThatTheProcessEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	put(t, path, strings.TrimSpace(settledFile))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := config.LoadSettled(ctx, path, settledEnvironment); err == nil || !strings.Contains(err.Error(), "the process ends") || strings.Contains(err.Error(), "ten seconds") {
			t.Errorf("it says %v", err)
		}
	})
}
