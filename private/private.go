// Package private opens files that are ours alone, such as the store and the
// operators' token: readable and writable for their owner only, in a folder
// where nobody else can put another in their place.
//
// A symbolic link is refused because it leads to whatever its maker chose. What
// others may read or change is refused and not mended: who opened it may have
// read it already, and the operator should know.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExposed says that a file or its folder is not ours alone. The error that
// wraps it names which, and the command that mends it.
var ErrExposed = errors.New("is not private")

const (
	fileMode   = 0o600
	folderMode = 0o700
)

// MakeFolder makes the folder of the file at path, for its owner only, if it is
// missing, and those above it.
func MakeFolder(path string) error { return os.MkdirAll(filepath.Dir(path), folderMode) }

// Open is os.OpenFile for a file of ours: one that it makes is for its owner
// only (0600). The error is an ErrExposed if others may read or write the file,
// if others may write its folder, if either is a symbolic link or belongs to
// somebody else, or if the file is not a regular one; or it is os.OpenFile's.
func Open(path string, flag int) (*os.File, error) {
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSymlink {
		return nil, isLink(path)
	}
	file, err := os.OpenFile(path, flag|noFollow, fileMode)
	if err != nil {
		return nil, err
	}
	if err := checkFile(path, file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func checkFolder(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case info.Mode().Type() == fs.ModeSymlink:
		return isLink(path)
	case !info.IsDir():
		return nil // opening the file says it better
	case info.Mode().Perm()&0o022 != 0 && !keepsFilesApart(info):
		return fmt.Errorf("the folder %q %w: others may write in it (mode %04o); run: chmod 700 %q, or name a file in a folder of its own, which is made for the owner only",
			path, ErrExposed, info.Mode().Perm(), path)
	}
	if owner, me := owners(info); owner != me && owner != root {
		return isForeign("the folder", path, owner, me)
	}
	return nil
}

// keepsFilesApart reports whether nobody can replace another's file in a folder
// that all may write in, as in /tmp.
func keepsFilesApart(info fs.FileInfo) bool {
	owner, _ := owners(info)
	return info.Mode()&fs.ModeSticky != 0 && owner == root
}

// checkFile looks at the open file, which nobody can exchange any more.
func checkFile(path string, file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%q %w: it is no regular file; name another", path, ErrExposed)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%q %w: others may read or write it (mode %04o); run: chmod 600 %q", path, ErrExposed, info.Mode().Perm(), path)
	}
	if owner, me := owners(info); owner != me {
		return isForeign("the file", path, owner, me)
	}
	return nil
}

func isLink(path string) error {
	return fmt.Errorf("%q %w: it is a symbolic link; name what it leads to, or remove it: rm %q", path, ErrExposed, path)
}

// A Foreign is an ErrExposed: a file or folder belongs to another user of the system than
// the one whom this process runs as.
type Foreign struct {
	What, Path string // "the file" or "the folder"
	Owner, Me  int
}

// Error says what to do for a process whose file it is to be.
func (f *Foreign) Error() string {
	return fmt.Sprintf("%s %q %v: it belongs to user %d and this process runs as %d; run: chown %d %q", f.What, f.Path, ErrExposed, f.Owner, f.Me, f.Me, f.Path)
}

// Unwrap is ErrExposed.
func (*Foreign) Unwrap() error { return ErrExposed }

func isForeign(what, path string, owner, me int) error { return &Foreign{what, path, owner, me} }
