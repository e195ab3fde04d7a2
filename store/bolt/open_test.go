package bolt_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/store/bolt"
)

func TestOpen_SaysWhatIsWrongWithinASecond(t *testing.T) {
	for _, row := range []struct {
		name string
		make func(t *testing.T, path string) // prepares what is at path
		want string
	}{
		{"held by another", func(t *testing.T, path string) { open(t, path) }, "another process holds"},
		{"not a store", write([]byte(strings.Repeat("not a database ", 5000))), "is damaged or no store"},
		{"too short for a store", write([]byte("short")), "is damaged or no store"},
		{"cut short", damage(func(file []byte) []byte { return file[:len(file)/8] }), "is damaged or no store"}, // below what the values fill
		{"only the first pages are left", damage(func(file []byte) []byte { return file[:2*os.Getpagesize()] }), "is damaged or no store"},
		{"both heads overwritten", damage(func(file []byte) []byte {
			copy(file[16:], "garbage")
			copy(file[os.Getpagesize()+16:], "garbage")
			return file
		}), "is damaged or no store"},
		{"pages overwritten", damage(func(file []byte) []byte {
			clear(file[2*os.Getpagesize():])
			return file
		}), "is damaged or no store"},
		{"pages in a circle", damage(pagesOf(1, func(id uint64, element []byte) {
			binary.NativeEndian.PutUint64(element[8:], id) // a branch leads to itself
		})), "twice"},
		{"a record of 2 GB", damage(pagesOf(2, func(_ uint64, element []byte) {
			binary.NativeEndian.PutUint32(element[12:], 2<<30)
		})), "longer than the page"},
		{"a key of 2 GB", damage(pagesOf(1, func(_ uint64, element []byte) {
			binary.NativeEndian.PutUint32(element[4:], 2<<30)
		})), "longer than the page"},
		{"pages said to be free that are not", damage(pagesOf(16, func(_ uint64, element []byte) {
			binary.NativeEndian.PutUint64(element, 3)
			binary.NativeEndian.PutUint64(element[8:], 3)
		})), "page 3 twice"},
		{"of a newer release", form("2"), "newer release: its form is 2, and this release knows forms up to 1; start that release again"},
		{"of no form at all", form("one"), "it names no form"},
		{"others may write it", func(t *testing.T, path string) {
			write(nil)(t, path)
			must(t, os.Chmod(path, 0o666))
		}, "chmod 600"},
		{"somebody else's file, that others may read", func(t *testing.T, path string) {
			write([]byte("root:x:0:0:root:/root:/bin/sh\n"))(t, path)
			must(t, os.Chmod(path, 0o644))
		}, "is no store of a gateway; set store.path"},
		{"a store that others may write", func(t *testing.T, path string) {
			must(t, open(t, path).Close())
			must(t, os.Chmod(path, 0o666))
		}, "chmod 600"},
		{"behind a symbolic link", func(t *testing.T, path string) {
			open(t, path+".elsewhere")
			must(t, os.Symlink(path+".elsewhere", path))
		}, "is a symbolic link"},
		{"in a folder where others may write", func(t *testing.T, path string) {
			must(t, os.Chmod(filepath.Dir(path), 0o777))
		}, "chmod 700"},
		{"a folder", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "cannot be opened"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gateway.db")
			row.make(t, path)
			began := time.Now()
			_, err := bolt.Open(path, quiet)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("the error is %v, want %q in it", err, row.want)
			}
			if !strings.Contains(err.Error(), path) {
				t.Errorf("the error %v does not name the file", err)
			}
		})
	}
}

func TestOpen_SaysThatTheFolderCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	_, err := bolt.Open(filepath.Join(file, "folder", "gateway.db"), quiet)
	if err == nil || !strings.Contains(err.Error(), "folder cannot be made") {
		t.Errorf("the error is %v", err)
	}
}

func TestOpen_MakesFolderAndFileForTheOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data", "gateway.db")
	open(t, path)
	for path, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(path)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(path), got, want)
		}
	}
}

func TestOpen_OpensAgainWhatWasDamagedAndPutAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	write(bytes.Repeat([]byte("x"), 100_000))(t, path)
	if _, err := bolt.Open(path, quiet); err == nil {
		t.Fatal("a file of x was opened")
	}
	must(t, os.Rename(path, path+".damaged"))
	open(t, path)
}

// A release that numbered no forms wrote form 1: such a file is opened with what it holds,
// and says its form from then on.
func TestOpen_MarksWhatAReleaseWithoutFormsWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	s := open(t, path)
	must(t, s.Put(t.Context(), "things", "switch", []byte("degraded"), 0))
	must(t, s.Close())
	bolt.Unmark(t, path)

	s = open(t, path)
	if value, ok, err := s.Get(t.Context(), "things", "switch"); err != nil || !ok || string(value) != "degraded" {
		t.Errorf("the switch is %q, %v, %v", value, ok, err)
	}
	must(t, s.Close())
	if said := bolt.Format(t, path); said != "1" {
		t.Errorf("the file says form %q, want 1", said)
	}
}

func form(number string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		must(t, open(t, path).Close())
		bolt.Format(t, path, number)
	}
}

func write(content []byte) func(*testing.T, string) {
	return func(t *testing.T, path string) { must(t, os.WriteFile(path, content, 0o600)) }
}

// damage fills a store, closes it and changes its file.
func damage(change func(file []byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		b := open(t, path)
		for i := range 50 {
			must(t, b.Put(t.Context(), "things", strconv.Itoa(i), bytes.Repeat([]byte("v"), rand.IntN(2000)), 0))
		}
		must(t, b.Close())
		file, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, change(file), 0o600))
	}
}

// Of two that start at once on a path where nothing is one is refused, and the other keeps its
// file.
func TestOpen_LeavesTheFileOfWhoStartedFirst(t *testing.T) {
	for range 8 {
		path := filepath.Join(t.TempDir(), "gateway.db")
		var opened atomic.Int32
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				s, err := bolt.Open(path, quiet)
				if err != nil {
					return
				}
				opened.Add(1)
				t.Cleanup(func() { _ = s.Close() })
			})
		}
		both.Wait()
		if _, err := os.Stat(path); err != nil || opened.Load() != 1 {
			t.Errorf("%d are open, and its file: %v", opened.Load(), err)
		}
	}
}

// pagesOf changes the first element of every page of a kind.
func pagesOf(kind uint16, change func(id uint64, element []byte)) func([]byte) []byte {
	return func(file []byte) []byte {
		for page := range slices.Chunk(file, os.Getpagesize()) {
			if binary.NativeEndian.Uint16(page[8:]) == kind {
				change(binary.NativeEndian.Uint64(page), page[16:])
			}
		}
		return file
	}
}

// Whatever is wrong in a file, Open comes back, and so does what follows.
func TestOpen_SurvivesDamageAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	damage(func(file []byte) []byte { return file })(t, path)
	whole, err := os.ReadFile(path)
	must(t, err)
	refused := 0
	for i := range 50 {
		file := bytes.Clone(whole)
		for range 1 + rand.IntN(200) {
			file[rand.IntN(len(file))] ^= byte(1 + rand.IntN(255))
		}
		path := path + strconv.Itoa(i) // bbolt holds on to a file that it broke on
		must(t, os.WriteFile(path, file, 0o600))
		b, err := bolt.Open(path, quiet)
		if err != nil {
			if !strings.Contains(err.Error(), "is damaged or no store") {
				t.Errorf("the error is %v", err)
			}
			refused++
			continue
		}
		_, _, _ = b.Get(t.Context(), "things", "7") // an error is fine, a crash is not
		_ = b.Put(t.Context(), "things", "7", nil, 0)
		_ = b.Append(t.Context(), "audit", time.Now(), []byte("x"))
		_ = b.Close()
	}
	if refused == 0 {
		t.Error("no damage was noticed at all")
	}
	t.Logf("%d of 50 damaged files were refused", refused)
}

// A page that goes bad under an open store costs its readers an error.
func TestBolt_MeetsAPageThatWentBadWithAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	damage(func(file []byte) []byte { return file })(t, path)
	b, err := bolt.Open(path, quiet)
	must(t, err)
	defer b.Close()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer file.Close()
	info, err := file.Stat()
	must(t, err)
	pages := int64(2 * os.Getpagesize()) // behind the two heads
	_, err = file.WriteAt(make([]byte, info.Size()-pages), pages)
	must(t, err)
	if _, _, err := b.Get(t.Context(), "things", "7"); err == nil || !strings.Contains(err.Error(), "the file is damaged") {
		t.Errorf("the error is %v", err)
	}
}

func TestOpen_TakesAFileTooBigToBeLookedOverInTime(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "gateway.db"))
	for i := range 2000 {
		b.Preload("things", strconv.Itoa(i), 0)
	}
	if n := b.Records("things"); n != 2000 {
		t.Fatalf("%d records", n)
	}
	if err := b.LookOver(time.Now()); err != nil {
		t.Error(err)
	}
}
