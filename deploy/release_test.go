package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// An action that is named by a tag is what its owner makes of the tag tomorrow.
func TestWorkflows_PinWhatTheyRun(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no workflows: %v", err)
	}
	pinned := regexp.MustCompile(`^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, file := range files {
		text := read(t, file)
		if err := yaml.UnmarshalStrict([]byte(text), &map[string]any{}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, use := range regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(use[1]) {
				t.Errorf("%s: %s is not named by a commit", file, use[1])
			}
		}
		if !strings.Contains(text, "\npermissions: {contents: read}\n") {
			t.Errorf("%s may do more than read", file)
		}
	}
}

// What a release and "make deb" put into the package is there, and is the same.
func TestRelease_PackagesWhatIsThere(t *testing.T) {
	t.Parallel()
	release, deb := read(t, "../.goreleaser.yaml"), read(t, "../nfpm.yaml")
	for _, source := range regexp.MustCompile(`(?:src|postinstall|preremove|postremove): ([\w./-]+)`).FindAllStringSubmatch(deb, -1) {
		if source[1] == "bin/linux/gateway" {
			continue // which is built
		}
		if _, err := os.Stat(filepath.Join("..", source[1])); err != nil {
			t.Error(err)
		}
		if !strings.Contains(release, source[1]) {
			t.Errorf(".goreleaser.yaml does not package %s", source[1])
		}
	}
	if workflow := read(t, "../.github/workflows/release.yml"); !strings.Contains(release, "\nchecksum: {name_template: SHA256SUMS,") || !strings.Contains(workflow, "with: {subject-checksums: dist/SHA256SUMS}") {
		t.Error("what is attested is not what .goreleaser.yaml writes the checksums of")
	}
	if err := yaml.Unmarshal([]byte(release), &map[string]any{}); err != nil {
		t.Error(err)
	}
}
