package bolt_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"captchagate/store/bolt"
)

// A first start that may write nothing leaves no file behind that the next would refuse as empty
// or damaged.
func TestOpen_ThatCouldWriteNothingLeavesNothing(t *testing.T) {
	if path := os.Getenv("STORE_WITHOUT_ROOM"); path != "" {
		if s, err := bolt.Open(path, quiet); err == nil {
			_ = s.Close()
			os.Exit(0)
		}
		os.Exit(3)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("it needs a shell, whose ulimit keeps a process from writing")
	}
	self, err := os.Executable()
	must(t, err)
	for _, blocks := range []string{"0", "8"} { // of 512 bytes, or of 1024
		path := filepath.Join(t.TempDir(), "gateway.db")
		without := exec.CommandContext(t.Context(), sh, "-c", `ulimit -f "$0" && trap "" XFSZ && exec "$@"`, blocks, self, "-test.run", "^"+t.Name()+"$")
		without.Env = append(os.Environ(), "STORE_WITHOUT_ROOM="+path)
		out, err := without.CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
			t.Fatalf("%s blocks: without room it is opened, %v: %s", blocks, err, out)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s blocks: a file is left", blocks)
		}
		must(t, open(t, path).Close())
	}
}
