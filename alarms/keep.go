package alarms

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	bucket = "alarms"
	// writeAgain is how long a store is left alone that took no write.
	writeAgain = time.Second
	// maxFinalWrite is for the write when the process ends.
	maxFinalWrite = time.Second
	// maxRecords bounds what is read at the start.
	maxRecords = 1000
)

// Records are named by what they are, and then by kind.
const (
	ofEvent   = "event/"
	ofMessage = "message/"
	ofSent    = "sent/"
)

func eventKey(t topic) string  { return ofEvent + string(t.kind) + "/" + t.about }
func messageKey(k Kind) string { return ofMessage + string(k) }
func sentKey(k Kind) string    { return ofSent + string(k) }

// changed has records written. a.mu is held.
func (a *Alarms) changed(keys ...string) {
	for _, key := range keys {
		a.unwritten[key] = true
	}
	wake(a.write)
}

// load goes on with what an earlier process left.
func (a *Alarms) load(ctx context.Context) error {
	found, err := a.store.List(ctx, bucket, maxRecords)
	if err != nil {
		return fmt.Errorf("alarms: what waits to be told cannot be read: %w", err)
	}
	for key, text := range found {
		if a.restore(key, text) != nil {
			a.log.Warn("an alarm in the store cannot be read and is left out", "key", key)
		}
	}
	wake(a.wake)
	return nil
}

func (a *Alarms) restore(key string, text []byte) error {
	switch {
	case strings.HasPrefix(key, ofEvent):
		var e event
		if err := json.Unmarshal(text, &e); err != nil {
			return err
		}
		a.events[e.topic()] = &e
	case strings.HasPrefix(key, ofMessage):
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
		a.messages[m.Kind] = &m
	case strings.HasPrefix(key, ofSent):
		var at time.Time
		if err := json.Unmarshal(text, &at); err != nil {
			return err
		}
		a.sent[Kind(strings.TrimPrefix(key, ofSent))] = at
	}
	return nil
}

// keepAll writes what changed until ctx ends, and once more then. What cannot be written is
// sent all the same: perhaps it tells of that.
func (a *Alarms) keepAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFinalWrite)
			defer cancel()
			_ = a.flush(last)
			return
		case <-a.write:
		}
		if a.flush(ctx) == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(writeAgain):
			wake(a.write)
		}
	}
}

// A record is what the store is to hold under a key; nothing if value is nil.
type record struct {
	value []byte
	life  time.Duration
}

func (a *Alarms) flush(ctx context.Context) (failed error) {
	for key, r := range a.records() {
		var err error
		if r.value == nil || r.life <= 0 {
			err = a.store.Delete(ctx, bucket, key)
		} else {
			err = a.store.Put(ctx, bucket, key, r.value, r.life)
		}
		if err != nil {
			failed = err
			a.mu.Lock()
			a.unwritten[key] = true
			a.mu.Unlock()
		}
	}
	if failed != nil && !a.away && ctx.Err() == nil {
		a.log.Error("alarms that wait cannot be kept: they are in memory until the store takes writes again", "error", failed)
	}
	a.away = failed != nil
	return failed
}

// records are what changed since they were written last.
func (a *Alarms) records() map[string]record {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, all := time.Now(), map[string]record{}
	for key := range a.unwritten {
		all[key] = record{}
	}
	clear(a.unwritten)
	put := func(key string, v any, life time.Duration) {
		if _, changed := all[key]; changed {
			text, _ := json.Marshal(v) // texts, times and JSON: cannot fail
			all[key] = record{text, life}
		}
	}
	for t, e := range a.events {
		put(eventKey(t), e, goodFor-now.Sub(e.At))
	}
	for k, m := range a.messages {
		put(messageKey(k), m, goodFor-now.Sub(m.At))
	}
	for k, at := range a.sent {
		put(sentKey(k), at, between-now.Sub(at))
	}
	return all
}
