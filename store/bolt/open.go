package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"captchagate/private"
)

// How long Open may take for the lock and for looking the file over: together
// well under a second.
const (
	lockPatience  = 400 * time.Millisecond
	checkPatience = 300 * time.Millisecond
)

// Open opens the store in the file at path, and makes the file (0600) and its
// folder (0700) if they are missing. It fails within a second if another process
// holds the file, if the file is damaged or of a newer release, if it or its folder cannot
// be made, and if others can reach them (private.Open); the error says what to do.
//
// Close releases the file; Run clears away what has outlived its life.
func Open(path string, log *slog.Logger) (*Store, error) {
	if err := private.MakeFolder(path); err != nil {
		return nil, fmt.Errorf("store: its folder cannot be made: %w; make it, or set store.path to a place that can be written", err)
	}
	s := &Store{
		log:    log,
		jobs:   make(chan *job, maxGroup),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
		counts: map[string]int{},

		patience: usualPatience,
	}
	if err := s.open(path); err != nil {
		return nil, openError(path, err)
	}
	go s.writer()
	return s, nil
}

// errDamaged marks what only another file can mend.
var errDamaged = errors.New("damaged")

// errEmpty is a file that was there and holds nothing. A new store is made where there
// is none, and never in the place of one: what emptied the file may have emptied a store.
var errEmpty = errors.New("empty")

// shortest is how long the file of a store is at least, in bytes: four pages.
const shortest = 4 * usualPage

// openFile opens the file. It refuses what bbolt would take for a new store, or could not
// say what is wrong with.
func (s *Store) openFile(path string, flag int) (*os.File, error) {
	_, missing := os.Lstat(path)
	file, err := private.Open(path, flag)
	if err != nil || missing != nil {
		s.made = err == nil
		return file, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.Size() == 0:
		err = errEmpty
	case info.Size() < shortest:
		err = fmt.Errorf("%w: it is shorter than any store", errDamaged)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func (s *Store) open(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a page beyond a file cut short
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errDamaged, cause)
		}
		switch {
		case err == nil || s.file == nil:
			return
		case s.db != nil:
			_ = s.db.Close()
		default: // bbolt leaves it open when it panics, and locked until the process ends
			_ = s.file.Close()
		}
		// What a full disk left of it is no store, and the next start would refuse it; one that
		// another process holds is that one's.
		if s.made && !errors.Is(err, bolterrors.ErrTimeout) {
			_ = os.Remove(path)
		}
	}()
	s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockPatience,
		NoSync:       true, // see Store
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, _ os.FileMode) (*os.File, error) {
			s.file, err = s.openFile(name, flag)
			return s.file, err
		},
	})
	if err != nil {
		return err
	}
	if err := s.lookOver(time.Now().Add(checkPatience)); err != nil {
		return err
	}
	return s.checkFormat()
}

func openError(path string, err error) error {
	unquoted, path := path, fmt.Sprintf("%q", path)
	switch {
	case errors.Is(err, private.ErrExposed) && errors.Is(Look(unquoted), ErrNoStore):
		return fmt.Errorf("store: %w", Look(unquoted))
	case errors.Is(err, private.ErrExposed):
		return fmt.Errorf("store: %s cannot be opened: %w", path, err)
	case errors.Is(err, errEmpty):
		return fmt.Errorf("store: %s is empty, which no store is; restore it from a backup, or remove it to start empty: the switch, the audit and what was spent are then forgotten", path)
	case errors.Is(err, errNewer):
		return fmt.Errorf("store: %s was %w; start that release again, or restore the backup from before the upgrade", path, err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("store: another process holds %s; stop it, or give this one a file of its own (store.path)", path)
	case errors.Is(err, errDamaged), errors.Is(err, bolterrors.ErrInvalid),
		errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return fmt.Errorf("store: %s is damaged or no store (%w); restore it from a backup, or move it away to start empty: the switch, the audit and what was spent are then forgotten", path, err)
	default:
		return fmt.Errorf("store: %s cannot be opened: %w; set store.path to a file that can be read and written", path, err)
	}
}

// ErrNoStore says that a file is no store, and was none.
var ErrNoStore = errors.New("is no store of a gateway; set store.path to a file of the gateway's own, or to one that is not there yet")

// magic is what bbolt writes behind the head of its first two pages.
const (
	magic     = 0xED0CDAED
	magicAt   = 16
	usualPage = 4096
)

// Look says of a file that is there and can be read whether it may be a store, or one
// that was damaged, by what it begins with. The error is an ErrNoStore, with the path, or
// nil, also of a file that it cannot tell about. It changes nothing.
func Look(path string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // it was only read
	for _, page := range []int64{0, usualPage, int64(os.Getpagesize())} {
		var word [4]byte
		if _, err := file.ReadAt(word[:], page+magicAt); err == nil && binary.NativeEndian.Uint32(word[:]) == magic {
			return nil
		}
	}
	return fmt.Errorf("%q %w", path, ErrNoStore)
}
