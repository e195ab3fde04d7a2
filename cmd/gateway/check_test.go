package main

import (
	"strings"
	"testing"
	"time"
)

// check --online asks the API once for each app and fetches the script: a line
// each, exit 1 where one failed, and standard output is the configuration alone.
func TestCheck_OnlineSaysWhatCame(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check := func(want int) string {
		t.Helper()
		p := begin(t, h.folder, h.environ, "gateway", "check", "--online", "--config", h.config())
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatalf("check --online has not ended in %v", patience)
		}
		if code := p.cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("ended with %d, want %d: %s", code, want, p.stderr)
		}
		if !strings.Contains(p.stdout.String(), "[redacted]") || strings.Contains(p.stdout.String(), "ok ") {
			t.Errorf("standard output is %s", p.stdout)
		}
		return p.stderr.String()
	}
	says := check(0)
	for _, want := range []string{"ok     captcha_app_id 190000001: reached in ", "clock right, account accepted, code 21", "ok     script: loads in ", "\nok\n"} {
		if !strings.Contains(says, want) {
			t.Errorf("%q is missing in %s", want, says)
		}
	}
	h.write(strings.Replace(h.shipped(), "app_secret_key: simulator-app-secret-key", "app_secret_key: another-app-secret-key", 1))
	if says := check(1); !strings.Contains(says, "FAILED captcha_app_id 190000001: ") || !strings.Contains(says, "code 100: app id and key do not belong together") || strings.Contains(says, "\nok\n") {
		t.Errorf("of a wrong app_secret_key it says %s", says)
	}
}
