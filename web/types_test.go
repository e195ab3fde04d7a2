package web_test

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

// install returns a folder with the files of testdata/npm and what
// package-lock.json names there. Where that cannot be had it skips, or fails
// where CI=true.
func install(t *testing.T) string {
	t.Helper()
	dir, err := installed()
	if err != nil {
		missing := t.Skipf
		if os.Getenv("CI") == "true" {
			missing = t.Fatalf
		}
		missing("needs npm, and what it installs: %v", err)
	}
	return dir
}

// installed installs it into a temporary folder, once.
var installed = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "npm")
	if err != nil {
		return "", err
	}
	temporary = dir
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "npm"))); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, output)
	}
	return dir, nil
})

// temporary is the folder that installed made.
var temporary string

func TestMain(m *testing.M) {
	code := m.Run()
	if temporary != "" {
		_ = os.RemoveAll(temporary)
	}
	os.Exit(code)
}
