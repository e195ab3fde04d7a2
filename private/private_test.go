//go:build unix

package private_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"captchagate/private"
)

// S11: a file of ours that others may reach is refused, with what mends it.
func TestOpen_RefusesWhatIsNotOursAlone(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(t *testing.T, folder, path string)
		mends string // the command
	}{
		"all may write the file":   {func(t *testing.T, _, path string) { must(t, os.Chmod(path, 0o666)) }, "chmod 600 "},
		"all may read the file":    {func(t *testing.T, _, path string) { must(t, os.Chmod(path, 0o604)) }, "chmod 600 "},
		"the group may read it":    {func(t *testing.T, _, path string) { must(t, os.Chmod(path, 0o640)) }, "chmod 600 "},
		"all may write the folder": {func(t *testing.T, folder, _ string) { must(t, os.Chmod(folder, 0o777)) }, "chmod 700 "},
		"the group may write it":   {func(t *testing.T, folder, _ string) { must(t, os.Chmod(folder, 0o770)) }, "chmod 700 "},
		"the file is a link":       {link, "rm "},
		"the file leads nowhere":   {dangling, "rm "},
		"the folder is a link":     {linkedFolder, "rm "},
		"the file is somebody's":   {func(t *testing.T, _, path string) { chown(t, path) }, "chown "},
		"the folder is somebody's": {func(t *testing.T, folder, _ string) { chown(t, folder) }, "chown "},
		"the file is a pipe":       {pipe, "name another"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, path := made(t)
			row.spoil(t, folder, path)
			f, err := private.Open(path, os.O_RDWR|os.O_CREATE)
			if err == nil {
				_ = f.Close()
				t.Fatal("it was opened")
			}
			if !errors.Is(err, private.ErrExposed) || !strings.Contains(err.Error(), row.mends) {
				t.Errorf("the error is %q, want %q in it", err, row.mends)
			}
		})
	}
}

func TestOpen_TakesWhatIsOursAlone(t *testing.T) {
	folder, path := made(t)
	open(t, path)
	must(t, os.Chmod(folder, 0o755)) // others see that it is there, no more
	open(t, path)

	deep := filepath.Join(folder, "deep", "data", "new")
	must(t, private.MakeFolder(deep))
	open(t, deep)
	for path, want := range map[string]os.FileMode{deep: 0o600, filepath.Dir(deep): 0o700, filepath.Dir(filepath.Dir(deep)): 0o700} {
		info, err := os.Stat(path)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

// Where all may write but nobody may replace another's file, as in /tmp, a file
// of ours is ours.
func TestOpen_TakesAFileInAStickyFolderOfRoots(t *testing.T) {
	folder, path := made(t)
	asRoot(t)
	must(t, os.Chmod(folder, 0o777|os.ModeSticky))
	open(t, path)
}

func made(t *testing.T) (folder, path string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "data")
	must(t, os.Mkdir(folder, 0o700))
	path = filepath.Join(folder, "file")
	must(t, os.WriteFile(path, []byte("ours"), 0o600))
	return folder, path
}

func open(t *testing.T, path string) {
	t.Helper()
	f, err := private.Open(path, os.O_RDWR|os.O_CREATE)
	must(t, err)
	must(t, f.Close())
}

func link(t *testing.T, folder, path string) {
	must(t, os.Rename(path, filepath.Join(folder, "other")))
	must(t, os.Symlink("other", path))
}

func dangling(t *testing.T, _, path string) {
	must(t, os.Remove(path))
	must(t, os.Symlink("nowhere", path))
}

func linkedFolder(t *testing.T, folder, _ string) {
	must(t, os.Rename(folder, folder+"-elsewhere"))
	must(t, os.Symlink(folder+"-elsewhere", folder))
}

func pipe(t *testing.T, _, path string) {
	must(t, os.Remove(path))
	must(t, syscall.Mkfifo(path, 0o600))
}

func chown(t *testing.T, path string) {
	asRoot(t)
	must(t, os.Chown(path, 65534, -1))
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
