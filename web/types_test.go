package web_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The scripts hold what their types promise, and a page may write what use.ts
// writes.
func TestTypes_AreThoseOfTheScripts(t *testing.T) {
	dir := install(t)
	if err := os.CopyFS(filepath.Join(dir, "client"), os.DirFS("client")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "node_modules/typescript/bin/tsc", "-p", ".")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("tsc --checkJs: %v\n%s", err, output)
	}
}

// install installs what testdata/npm/package-lock.json names into a temporary
// folder beside the other files of testdata/npm. Where that cannot be done it
// skips, or fails where CI=true.
func install(t *testing.T) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			missing("needs %s on PATH: %v", program, err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "npm"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		missing("npm ci could not install what the test needs: %v\n%s", err, output)
	}
	return dir
}
