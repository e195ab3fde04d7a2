package sla

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	bucket = "sla"
	// KeptFor is how long days are kept: 14 months from the end of their own.
	KeptFor = 15 * 31 * 24 * time.Hour
	// detailFor is how long a fleet knows of each minute how many requests it had: what
	// an instance tells later than that, is judged by what was seen to fail.
	detailFor = 35 * 24 * time.Hour
	// writeEvery is how often what changed is written, at most: so much a process loses
	// that is killed.
	writeEvery = time.Second
	// maxFinalWrite is for the write when the process ends.
	maxFinalWrite = time.Second
	// maxKept bounds the days that are kept of all instances.
	maxKept = 50_000
)

// A dayName is whose day it is: owner "" is this instance.
type dayName struct {
	owner string
	first int64
}

func (n dayName) key() string { return fmt.Sprintf("%010d/%s", n.first, n.owner) }

// kept is a day as it is written.
type kept struct {
	text    []byte
	version int64
}

func (l *Levels) load(ctx context.Context) error {
	found, err := l.store.List(ctx, bucket, maxKept)
	if err != nil {
		return err
	}
	for key, text := range found {
		_, owner, _ := strings.Cut(key, "/")
		d, err := decode(text)
		if err != nil || key != (dayName{owner, d.first}).key() {
			l.log.Warn("service levels of a day cannot be read and are left out", "key", key)
			continue
		}
		l.kept[dayName{owner, d.first}] = kept{text, d.version}
	}
	return nil
}

// liveDay is this instance's day of a minute, to be counted in. l.mu is held.
func (l *Levels) liveDay(minute int64) *day {
	first := dayOf(minute, l.zone)
	if d := l.live[first]; d != nil {
		return d
	}
	d := newDay(first)
	if k, known := l.kept[dayName{"", first}]; known {
		if was, err := decode(k.text); err == nil {
			d = was
		}
	}
	l.live[first] = d
	return d
}

// settle writes the open minutes into their days, in memory, and closes those that are
// over. l.mu is held.
func (l *Levels) settle(now time.Time) {
	newest := minuteOf(now.Add(time.Duration(l.offset.Load())))
	open := map[int64]map[int64]count{}
	l.open = slices.DeleteFunc(l.open, func(t *tally) bool {
		d := l.liveDay(t.minute)
		if open[d.first] == nil {
			open[d.first] = map[int64]count{}
		}
		if t.minute < newest-openFor && t != l.current.Load() {
			d.put(t.minute, t.count())
			return true
		}
		open[d.first][t.minute] = t.count()
		return false
	})
	for first, minutes := range open {
		l.settleDay(l.live[first], minutes)
		if len(minutes) == 0 {
			delete(l.live, first)
		}
	}
}

// settleDay makes the form to be written of a day with its open minutes, if it is another
// one than before. l.mu is held.
func (l *Levels) settleDay(d *day, open map[int64]count) {
	if !l.shared.Load() {
		d.sumUp(func(int64) bool { return true })
	}
	whole := d.with(open)
	whole.limitIDs()
	whole.version++
	name, text := dayName{"", d.first}, l.encoder.encode(whole)
	if was, known := l.kept[name]; known && bytes.Equal(was.text[versionBytes:], text[versionBytes:]) {
		return
	}
	d.version++
	l.keep(name, text, d.version)
}

// keep keeps a day from now on, and has it written. l.mu is held.
func (l *Levels) keep(name dayName, text []byte, version int64) {
	l.kept[name] = kept{text, version}
	l.unwritten[name] = true
}

// Run writes what changed until ctx ends, and once more then. Without it nothing is kept.
func (l *Levels) Run(ctx context.Context) {
	pause := time.NewTimer(writeEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFinalWrite)
			defer cancel()
			l.flush(last)
			return
		case <-l.wake:
		}
		l.flush(ctx)
		pause.Reset(writeEvery)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// flush writes what changed. What cannot be written stays in memory until it can.
func (l *Levels) flush(ctx context.Context) {
	now := time.Now()
	l.mu.Lock()
	l.dirty.Store(false) // whoever counts from now on has it written again
	l.settle(now)
	l.tidy(now)
	writes := map[dayName]kept{}
	for name := range l.unwritten {
		writes[name] = l.kept[name]
	}
	clear(l.unwritten)
	l.mu.Unlock()
	var failed error
	for name, k := range writes {
		life := timeOf(name.first, time.UTC).Add(KeptFor).Sub(now)
		if err := l.store.Put(ctx, bucket, name.key(), k.text, max(life, time.Second)); err != nil {
			failed = errors.Join(failed, err)
			l.mu.Lock()
			l.unwritten[name] = true
			l.mu.Unlock()
		}
	}
	if failed != nil && ctx.Err() == nil {
		if !l.away {
			l.log.Error("service levels cannot be kept; they are in memory until the store takes writes again", "error", failed)
		}
		l.touch()
	}
	l.away = failed != nil
}

// tidy drops days that are older than is kept, and sums up those of which nobody tells any
// more: once a day. l.mu is held.
func (l *Levels) tidy(now time.Time) {
	today := dayOf(minuteOf(now), l.zone)
	if l.tidied == today {
		return
	}
	l.tidied = today
	oldest, settled := minuteOf(now.Add(-KeptFor)), minuteOf(now.Add(-detailFor))
	for name := range l.kept {
		if name.first < oldest {
			delete(l.kept, name)
			delete(l.unwritten, name)
		}
	}
	if l.shared.Load() {
		l.sumUp(settled)
	}
}

// sumUp sums up the days that were over by then. Minutes in which something failed
// anywhere stay as they are: they are judged by all that was seen in them. l.mu is held.
func (l *Levels) sumUp(before int64) {
	failed, days := map[int64]bool{}, map[dayName]*day{}
	for name, k := range l.kept {
		if d, err := decode(k.text); err == nil && name.first < before {
			days[name] = d
			for minute, c := range d.counts {
				failed[minute] = failed[minute] || c.Failed > 0
			}
		}
	}
	for name, d := range days {
		if d.sumUp(func(minute int64) bool { return !failed[minute] }) {
			if name.owner == "" { // the others are to have it so too
				d.version++
			}
			l.keep(name, l.encoder.encode(d), d.version)
		}
	}
}
