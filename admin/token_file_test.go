package admin_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"captchagate/admin"
)

func TestTokenFile_IsMadeOnceAndKept(t *testing.T) {
	cfg := admin.Config{Listen: "127.0.0.1:0", File: filepath.Join(t.TempDir(), "data", "admin.token")}
	if _, err := cfg.FileToken(); err == nil || !strings.Contains(err.Error(), "when it starts") {
		t.Errorf("before the first start: %v", err)
	}
	first, err := cfg.OwnTokens()
	must(t, err)
	again, err := cfg.OwnTokens()
	must(t, err)
	kept, err := cfg.FileToken()
	must(t, err)
	if len(first) != 1 || first[0] != again[0] || first[0].Token != kept || first[0].Role != admin.Operator || len(kept) != 48 {
		t.Errorf("first %+v, then %+v, and the commands take %q", first, again, kept)
	}
	info, err := os.Stat(cfg.File)
	must(t, err)
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("the file has mode %o", mode)
	}
	other := admin.Config{File: filepath.Join(t.TempDir(), "admin.token")}
	if tokens, err := other.OwnTokens(); err != nil || tokens[0].Token == kept {
		t.Errorf("another gateway has the same token (error %v)", err)
	}
	cfg.Tokens = tokens
	if got, err := cfg.OwnTokens(); err != nil || len(got) != 2 || got[0].Name != "board" {
		t.Errorf("with tokens configured: %+v (error %v)", got, err)
	}
}

// S11: what others could have read or written is no token.
func TestTokenFile_IsRefusedWhenOthersCanReachIt(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"others may read it": {"0123456789abcdef", 0o644, "chmod 600"},
		"too short":          {"short", 0o600, "does not hold a token"},
		"two lines":          {"0123456789abcdef\n0123456789abcdef", 0o600, "does not hold a token"},
		"very long":          {strings.Repeat("x", 1000), 0o600, "does not hold a token"},
	} {
		cfg := admin.Config{File: filepath.Join(t.TempDir(), "admin.token")}
		must(t, os.WriteFile(cfg.File, []byte(row.text), 0o600))
		must(t, os.Chmod(cfg.File, row.mode))
		for _, take := range []func() error{
			func() error { _, err := cfg.OwnTokens(); return err },
			func() error { _, err := cfg.FileToken(); return err },
		} {
			if err := take(); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), row.text) {
				t.Errorf("%s: the error is %v, want %q in it", name, err, row.want)
			}
		}
	}
}

// Who starts a command in another folder sees where a relative path led.
func TestTokenFile_NamesTheFileThatWasTried(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg := admin.Config{File: "data/admin.token"}
	tried, err := filepath.Abs(cfg.File)
	must(t, err)
	if _, err := cfg.FileToken(); err == nil || !strings.Contains(err.Error(), tried) {
		t.Errorf("a file that is not there: %v, want %s in it", err, tried)
	}
	must(t, os.Mkdir("data", 0o700))
	must(t, os.WriteFile(cfg.File, []byte("short"), 0o600))
	if _, err := cfg.OwnTokens(); err == nil || !strings.Contains(err.Error(), tried) {
		t.Errorf("a file without a token: %v, want %s in it", err, tried)
	}
	cfg.File = tried
	if _, err := cfg.FileToken(); err == nil || strings.Count(err.Error(), tried) != 1 {
		t.Errorf("an absolute one: %v, want %s in it once", err, tried)
	}
}

// A command of another user is not told to take the gateway's file away from it.
func TestTokenFile_OfTheGatewaysUserIsLeftToIt(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	cfg := admin.Config{File: filepath.Join(t.TempDir(), "admin.token")}
	must(t, os.WriteFile(cfg.File, []byte("0123456789abcdef"), 0o600))
	must(t, os.Chown(cfg.File, 1234, -1))
	_, err := cfg.FileToken()
	if err == nil || !strings.Contains(err.Error(), "belongs to user 1234, and this command runs as 0; run it as the gateway's user, or set GATEWAY_ADMIN_TOKEN") || strings.Contains(err.Error(), "chown") {
		t.Errorf("the error is %v", err)
	}
}
