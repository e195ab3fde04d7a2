package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// Whoever ships the programs ships what is linked into them: only under licences that ask
// for no more than a notice.
func TestLicences_OfWhatIsLinkedAskForANoticeOnly(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "./cmd/...")
	list.Dir = ".."
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	seen := map[string]bool{}
	for at := 0; at < len(modules); at += 2 {
		path, dir := modules[at], modules[at+1]
		if seen[path] {
			continue
		}
		seen[path] = true
		if found := licences(t, dir); len(found) == 0 || slices.ContainsFunc(found, func(id string) bool { return !slices.Contains(noticeOnly, id) }) {
			t.Errorf("%s is under %q; look whether it may be shipped, and which licence it is", path, found)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d modules were looked at", len(seen))
	}
	t.Logf("%d modules", len(seen))
}

// noticeOnly are those licences, by their SPDX names; CC0 asks for nothing at all.
var noticeOnly = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT"}

// licences are what the licence files at the top of a module say, by SPDX name.
func licences(t *testing.T, dir string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "[LC][IO][CP]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, match := range licensecheck.Scan([]byte(read(t, file))).Match {
			if !match.IsURL {
				found = append(found, match.ID)
			}
		}
	}
	return found
}
