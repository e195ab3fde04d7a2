package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// format is the form of what stands in the file. It grows when a release writes what the
// ones before it would misread; that release then migrates the forms before its own.
const format = 1

// Where the file says its form, in decimal digits, beside the buckets of values and logs.
var (
	formatBucket = []byte("format")
	formatKey    = []byte("version")
)

// errNewer marks the file of a release that came after this one.
var errNewer = errors.New("written by a newer release")

// checkFormat refuses a file of a form that this release does not know, and marks one
// that says none: a new one, or one from before forms were numbered, which is form 1.
func (s *Store) checkFormat() error {
	var said []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		if bucket := tx.Bucket(formatBucket); bucket != nil {
			said = bytes.Clone(bucket.Get(formatKey))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if said == nil {
		s.markFormat()
		return nil
	}
	switch number, err := strconv.Atoi(string(said)); {
	case err != nil || number < 1:
		return fmt.Errorf("%w: it names no form", errDamaged)
	case number > format:
		return fmt.Errorf("%w: its form is %d, and this release knows forms up to %d", errNewer, number, format)
	}
	return nil
}

// markFormat writes the form. Where that fails, for instance because the disk is full, the
// next start tries again: what stands in the file is of this form with or without the mark.
func (s *Store) markFormat() {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(formatBucket)
		if err != nil {
			return err
		}
		return bucket.Put(formatKey, []byte(strconv.Itoa(format)))
	})
	if err != nil {
		s.log.Warn("the store's form could not be written into its file; the next start tries again", "error", err)
	}
}
