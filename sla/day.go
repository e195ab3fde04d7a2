package sla

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"time"
)

// A day is what one instance counted in a day of the zone. Minutes in which nothing but
// requests was seen may be summed up: then only that they were seen is known of each.
type day struct {
	first   int64 // minute since 1970
	version int64 // the higher one holds

	seen   []byte          // a bit for each minute
	summed int64           // requests of minutes that are summed up
	spared int64           // users spared in those
	counts map[int64]count // by minute, of the others
}

// maxDay is how many minutes a day has, with an hour more where clocks are set back.
const maxDay = 25 * 60

func newDay(first int64) *day {
	return &day{first: first, seen: make([]byte, (maxDay+7)/8), counts: map[int64]count{}}
}

// dayOf is the first minute of a minute's day.
func dayOf(minute int64, zone *time.Location) int64 {
	y, m, d := timeOf(minute, zone).Date()
	return minuteOf(time.Date(y, m, d, 0, 0, 0, 0, zone))
}

func (d *day) has(minute int64) bool {
	at := minute - d.first
	return at >= 0 && at < maxDay && d.seen[at/8]&(1<<(at%8)) != 0
}

// take takes a minute's count out, for somebody to go on with it.
func (d *day) take(minute int64) count {
	c := d.counts[minute]
	delete(d.counts, minute)
	return c
}

// put puts a minute's count in.
func (d *day) put(minute int64, c count) {
	if at := minute - d.first; c.Requests > 0 && at >= 0 && at < maxDay {
		d.seen[at/8] |= 1 << (at % 8)
	}
	if c.Requests > 0 || c.Spared > 0 {
		d.counts[minute] = c
	}
}

// sumUp sums up the minutes of which nothing more is to be known.
func (d *day) sumUp(done func(minute int64) bool) (changed bool) {
	for minute, c := range d.counts {
		if c.Failed == 0 && done(minute) {
			d.summed += c.Requests
			d.spared += c.Spared
			delete(d.counts, minute)
			changed = true
		}
	}
	return changed
}

// with is d with some more minutes.
func (d *day) with(open map[int64]count) *day {
	c := *d
	c.seen, c.counts = slices.Clone(d.seen), maps.Clone(d.counts)
	for minute, one := range open {
		c.put(minute, one)
	}
	return &c
}

// limitIDs keeps so many request ids of each run of minutes in which something failed:
// a report of the fault has no room for more.
func (d *day) limitIDs() {
	before, ids := int64(-2), 0
	for _, minute := range slices.Sorted(maps.Keys(d.counts)) {
		c := d.counts[minute]
		if minute != before+1 || c.Failed == 0 {
			ids = 0
		}
		before = minute
		if keep := max(min(len(c.IDs), maxIDs-ids), 0); keep < len(c.IDs) {
			c.IDs = slices.Clone(c.IDs[:keep])
			d.counts[minute] = c
		}
		ids += len(c.IDs)
	}
}

// A day is written as its version, in 8 bytes, and the rest as JSON, compressed: a quiet one
// takes a hundred bytes.
const versionBytes = 8

type stored struct {
	First  int64   `json:"first"`
	Seen   []byte  `json:"seen"`
	Summed int64   `json:"summed,omitempty"`
	Spared int64   `json:"spared,omitempty"`
	Plain  []int64 `json:"plain,omitempty"`  // requests by minute, from there on
	From   int64   `json:"from,omitempty"`   // minutes after the first
	Counts []dated `json:"counts,omitempty"` // of minutes in which there was more
}

type dated struct {
	At int64 `json:"at"` // minutes after the first
	count
}

// An encoder writes days. It is not for many goroutines at once.
type encoder struct {
	flat *flate.Writer
	text bytes.Buffer
}

func (e *encoder) encode(d *day) []byte {
	s := stored{First: d.first, Seen: bytes.TrimRight(d.seen, "\x00"), Summed: d.summed, Spared: d.spared}
	for _, minute := range slices.Sorted(maps.Keys(d.counts)) {
		at, c := minute-d.first, d.counts[minute]
		if !c.plain() || at < 0 || at >= maxDay {
			s.Counts = append(s.Counts, dated{at, c})
			continue
		}
		if s.Plain == nil {
			s.From = at
		}
		at -= s.From
		s.Plain = append(s.Plain, make([]int64, int(at)+1-len(s.Plain))...)
		s.Plain[at] = c.Requests
	}
	text, _ := json.Marshal(s) // numbers and texts: cannot fail
	e.text.Reset()
	e.text.Write(binary.BigEndian.AppendUint64(nil, uint64(d.version)))
	if e.flat == nil {
		e.flat, _ = flate.NewWriter(&e.text, flate.BestSpeed) // it is a level
	} else {
		e.flat.Reset(&e.text)
	}
	_, _ = e.flat.Write(text) // to memory
	_ = e.flat.Close()
	return bytes.Clone(e.text.Bytes())
}

// maxText bounds a day that is read, in bytes: another instance may have written it.
const maxText = 16 << 20

// decode reads a day. What is outside of it, or less than nothing, is a mistake.
func decode(text []byte) (*day, error) {
	if len(text) < versionBytes {
		return nil, io.ErrUnexpectedEOF
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(text[versionBytes:])), maxText))
	if err != nil {
		return nil, err
	}
	var s stored
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, err
	}
	d := newDay(s.First)
	d.version, d.summed, d.spared = int64(binary.BigEndian.Uint64(text)), s.Summed, s.Spared
	return d, d.fill(s)
}

var errDay = errors.New("it is longer than a day, or counts what cannot be")

func (d *day) fill(s stored) error {
	if len(s.Seen) > len(d.seen) || s.From < 0 || s.From+int64(len(s.Plain)) > maxDay || s.Summed < 0 || s.Spared < 0 {
		return errDay
	}
	copy(d.seen, s.Seen)
	for at, requests := range s.Plain {
		if requests > 0 {
			d.counts[s.First+s.From+int64(at)] = count{Requests: requests}
		}
	}
	for _, c := range s.Counts {
		if !c.possible() {
			return errDay
		}
		d.counts[s.First+c.At] = c.count
	}
	return nil
}
