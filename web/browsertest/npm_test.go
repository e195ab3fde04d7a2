package browsertest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// install installs what ../testdata/npm/package-lock.json names into a
// temporary folder, and returns the folder with the packages. Where that cannot
// be done it skips, or fails where CI=true.
func install(t *testing.T) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	if _, err := exec.LookPath("npm"); err != nil {
		missing("needs npm on PATH: %v", err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "npm"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		missing("npm ci could not install what the test needs: %v\n%s", err, output)
	}
	return filepath.Join(dir, "node_modules")
}
