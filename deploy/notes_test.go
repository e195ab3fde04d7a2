package deploy_test

import (
	"os/exec"
	"strings"
	"testing"
)

// notes runs release-notes as the workflow does.
func notes(t *testing.T, changelog string, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./release-notes", args...)
	cmd.Stdin = strings.NewReader(changelog)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// A release's notes are what the changelog says of its version, and nothing of another one.
func TestReleaseNotes_AreTheSectionOfTheVersion(t *testing.T) {
	t.Parallel()
	const released = `# Changelog

## 1.2.0 - 2027-01-31

- [FIX] gateway: as [told](docs/a.md#b), and [there](https://example.com/c).

## 1.1.0 - 2026-12-24

- [FEATURE] gateway: what came before.
`
	out, ok := notes(t, released, "v1.2.0", "https://host/blob/v1.2.0/")
	if want := "- [FIX] gateway: as [told](https://host/blob/v1.2.0/docs/a.md#b), and [there](https://example.com/c)."; !ok || strings.TrimSpace(out) != want {
		t.Errorf("ok %v, got\n%s\nwant\n%s", ok, out, want)
	}
	for name, tt := range map[string]struct{ tag, changelog, want string }{
		"not written":      {"v1.3.0", released, `"## 1.2.0 - 2027-01-31" stands on top`},
		"of an older one":  {"v1.1.0", released, `stands on top`},
		"without its day":  {"v1.2.0", strings.Replace(released, "2027-01-31", "unreleased", 1), `"## 1.2.0 - unreleased" has no day`},
		"of a prerelease":  {"v1.2.0-rc.1", released, `write what 1.2.0-rc.1 brings`},
		"without sections": {"v1.2.0", "# Changelog\n", "no section"},
	} {
		if out, ok := notes(t, tt.changelog, tt.tag); ok || !strings.Contains(out, tt.want) {
			t.Errorf("%s: ok %v, got %s", name, ok, out)
		}
	}
}

// The changelog itself needs nothing but its day, and the workflow hands the notes over:
// goreleaser would pass over them with its own changelog disabled.
func TestReleaseNotes_AreHandedOver(t *testing.T) {
	t.Parallel()
	changelog := strings.Replace(read(t, "../CHANGELOG.md"), " - unreleased\n", " - 2027-01-31\n", 1)
	_, heading, _ := strings.Cut(changelog, "\n## ")
	version, _, _ := strings.Cut(heading, " ")
	if out, ok := notes(t, changelog, "v"+version); !ok || !strings.Contains(out, "- ") {
		t.Errorf("of %q the notes are %s", version, out)
	}
	workflow := read(t, "../.github/workflows/release.yml")
	if !strings.Contains(workflow, "deploy/release-notes ") || !strings.Contains(workflow, "--release-notes=") {
		t.Error("the workflow hands no notes over")
	}
	if strings.Contains(read(t, "../.goreleaser.yaml"), "\nchangelog: {disable: true}") {
		t.Error(".goreleaser.yaml passes over the notes")
	}
}
