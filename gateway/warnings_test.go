package gateway_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/gateway"
)

// loadOdd loads a file that is taken with two warnings.
func loadOdd(t *testing.T) (config.Config, error) {
	folder := t.TempDir()
	path := filepath.Join(folder, "gateway.yaml")
	const text = `
api_keys: [{name: shop, key: x}]
upstream: {endpoint: "http://api.example", apps: [{captcha_app_id: 190000001, app_secret_key: app-secret-key}]}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, []string{
		"TENCENTCLOUD_SECRET_ID=AKIDTEST0123456789", "TENCENTCLOUD_SECRET_KEY=account-key-of-the-tests",
		"GATEWAY__LISTEN=127.0.0.1:0", "GATEWAY__ADMIN__LISTEN=127.0.0.1:0",
		"GATEWAY__SCRIPT_PROBE__URL=", "GATEWAY__STORE__PATH=" + filepath.Join(folder, "gateway.db"),
		"GATEWAY__ADMIN__TOKEN_FILE=" + filepath.Join(folder, "admin.token"),
	})
}

const oddKey = "api_keys[0].key: has fewer than 16 bytes"

func TestRun_WarnsOfWhatIsOdd(t *testing.T) {
	c, err := loadOdd(t)
	if err != nil {
		t.Fatal(err)
	}
	var log journal
	ctx, stop := context.WithCancel(t.Context())
	g, err := gateway.New(ctx, c, nil, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Run(ctx, func(string, string) { stop() }); err != nil {
		t.Error(err)
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 2 || !strings.Contains(log.String(), oddKey) {
		t.Errorf("it warns %d times, want 2:\n%s", got, log.String())
	}
}

// A reload warns as a start does.
func TestReload_WarnsOfWhatIsOdd(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.reload = func() (config.Config, error) { return loadOdd(t) }
		if err := h.g.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(h.log.String(), oddKey) {
			t.Error("the log does not warn")
		}
	})
}

// A disk that takes seconds to write, or whatever else holds up who tells of the switch,
// is no standstill of the process: nobody's request is dropped for it.
func TestStandstill_IsNoSlowDisk(t *testing.T) {
	slow := func() { time.Sleep(5 * time.Second) }
	inHouseWith(t, nil, []func(){slow}, func(h *house) {
		time.Sleep(time.Minute)
		if strings.Contains(h.log.String(), "stood still") {
			t.Error(h.lineOf("stood still"))
		}
	})
}
