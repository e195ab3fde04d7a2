package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// The form of a bbolt file, as far as it is looked over: pages begin with a head of id,
// kind, number of elements and of further pages; elements say where they are, counted from
// themselves, and how long.
const (
	pageHead   = 16
	element    = 16
	bucketHead = 16

	branchPage   = 0x01
	leafPage     = 0x02
	freePage     = 0x10
	bucketRecord = 0x01

	metaFree   = pageHead + 32 // where the head of the file names the list of free pages
	metaTx     = pageHead + 48
	noFreeList = ^uint64(0)
	manyFree   = 0xFFFF // as the number of elements: the first of them is the number
)

var native = binary.NativeEndian

// errEnough ends a look at a file too big to be read by the deadline.
var errEnough = errors.New("enough")

// lookOver reads every page, so that damage is met now and not by a user in an outage.
// bbolt believes what a page says: where pages lead to each other in a circle it never
// comes back, and for a record said to be of gigabytes it takes that much memory. A file
// too big to be read by the deadline is read in part.
func (s *Store) lookOver(deadline time.Time) error {
	err := s.db.View(func(tx *bbolt.Tx) error {
		if stat, err := s.file.Stat(); err != nil || stat.Size() < tx.Size() {
			return fmt.Errorf("%w: it is shorter than it says it is", errDamaged)
		}
		size := int64(s.db.Info().PageSize)
		p := &pages{store: s, size: size, seen: make([]bool, tx.Size()/size), deadline: deadline}
		if err := p.tree(uint64(tx.Cursor().Bucket().Root())); err != nil {
			return err
		}
		return p.free(uint64(tx.ID()))
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// pages looks at the pages of a file, each once.
type pages struct {
	store    *Store
	size     int64 // of one page, in bytes
	seen     []bool
	deadline time.Time
}

// take marks pages as seen, which must be in the file and may not have been met before.
func (p *pages) take(id, number uint64) error {
	all := uint64(len(p.seen))
	if id < 2 || id >= all || number > all-id {
		return fmt.Errorf("%w: it leads to page %d, which it has not", errDamaged, id)
	}
	for i := id; i < id+number; i++ {
		if p.seen[i] {
			return fmt.Errorf("%w: it leads to page %d twice", errDamaged, i)
		}
		p.seen[i] = true
	}
	return nil
}

// read reads a page with those that continue it, as one.
func (p *pages) read(id uint64) (page []byte, err error) {
	if time.Now().After(p.deadline) {
		return nil, errEnough
	}
	if err := p.take(id, 1); err != nil {
		return nil, err
	}
	page = make([]byte, p.size)
	if _, err := p.store.file.ReadAt(page, int64(id)*p.size); err != nil {
		return nil, err
	}
	if said := native.Uint64(page); said != id {
		return nil, fmt.Errorf("%w: page %d says it is %d", errDamaged, id, said)
	}
	further := uint64(native.Uint32(page[12:]))
	if further == 0 {
		return page, nil
	}
	if err := p.take(id+1, further); err != nil {
		return nil, err
	}
	page = make([]byte, int64(further+1)*p.size)
	_, err = p.store.file.ReadAt(page, int64(id)*p.size)
	return page, err
}

// tree looks at a page and at all below it.
func (p *pages) tree(id uint64) error {
	page, err := p.read(id)
	if err != nil {
		return err
	}
	return p.elements(id, page)
}

// elements looks at what stands in a page: the page with that id, or one that stands in a record of it.
func (p *pages) elements(id uint64, page []byte) error {
	kind, number := native.Uint16(page[8:]), int(native.Uint16(page[10:]))
	if kind != branchPage && kind != leafPage {
		return fmt.Errorf("%w: page %d is of no kind that holds records", errDamaged, id)
	}
	if pageHead+number*element > len(page) {
		return fmt.Errorf("%w: page %d cannot hold its records", errDamaged, id)
	}
	for i := range number {
		from := pageHead + i*element
		var err error
		if kind == branchPage {
			err = p.branch(id, page[from:])
		} else {
			err = p.record(id, page[from:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// branch looks at what leads to a page: rest begins with it, and ends with its page.
func (p *pages) branch(id uint64, rest []byte) error {
	if _, err := within(id, rest, native.Uint32(rest), native.Uint32(rest[4:])); err != nil {
		return err
	}
	return p.tree(native.Uint64(rest[8:]))
}

// record looks at a record, and at the bucket in it if it is one.
func (p *pages) record(id uint64, rest []byte) error {
	at, key, value := native.Uint32(rest[4:]), native.Uint32(rest[8:]), native.Uint32(rest[12:])
	content, err := within(id, rest, at, key, value)
	if err != nil || native.Uint32(rest)&bucketRecord == 0 {
		return err
	}
	bucket := content[key:]
	if len(bucket) < bucketHead {
		return fmt.Errorf("%w: page %d holds half a bucket", errDamaged, id)
	}
	if root := native.Uint64(bucket); root != 0 {
		return p.tree(root)
	}
	if inline := bucket[bucketHead:]; len(inline) >= pageHead {
		return p.elements(id, inline)
	}
	return fmt.Errorf("%w: page %d holds half a bucket", errDamaged, id)
}

// within returns what stands at a place of rest, in lengths that follow each other.
func within(id uint64, rest []byte, at uint32, lengths ...uint32) ([]byte, error) {
	end := uint64(at)
	for _, length := range lengths {
		end += uint64(length)
	}
	if end > uint64(len(rest)) {
		return nil, fmt.Errorf("%w: a record of page %d is longer than the page", errDamaged, id)
	}
	return rest[at:end], nil
}

// free looks at the list of free pages, none of which may hold records: they are written over.
func (p *pages) free(tx uint64) error {
	head := make([]byte, p.size)
	if _, err := p.store.file.ReadAt(head, int64(tx%2)*p.size); err != nil {
		return err
	}
	id := native.Uint64(head[metaFree:])
	if native.Uint64(head[metaTx:]) != tx || id == noFreeList {
		return nil // an older head is in force, or pages are found free by what is not
	}
	page, err := p.read(id)
	if err != nil {
		return err
	}
	number, ids := uint64(native.Uint16(page[10:])), page[pageHead:]
	if number == manyFree {
		number, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(page[8:]) != freePage || number > uint64(len(ids)/8) {
		return fmt.Errorf("%w: page %d is no list of free pages", errDamaged, id)
	}
	for i := range number {
		if err := p.take(native.Uint64(ids[8*i:]), 1); err != nil {
			return err
		}
	}
	return nil
}
