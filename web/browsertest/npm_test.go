package browsertest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// packages returns the folder with what ../testdata/npm/package-lock.json names.
// If it cannot be installed it skips, or fails if CI=true.
func packages(t *testing.T) string {
	t.Helper()
	folder, err := install()
	if err != nil {
		missing := t.Skipf
		if os.Getenv("CI") == "true" {
			missing = t.Fatalf
		}
		missing("needs npm, and what it installs: %v", err)
	}
	return folder
}

// install installs the packages into a temporary folder, once.
var install = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "npm")
	if err != nil {
		return "", err
	}
	atEnd(func() { _ = os.RemoveAll(dir) })
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "npm"))); err != nil {
		return "", err
	}
	err = ci(dir)
	if err != nil { // a registry may fail once
		err = ci(dir)
	}
	return filepath.Join(dir, "node_modules"), err
})

func ci(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, output)
	}
	return nil
}
