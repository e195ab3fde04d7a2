package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// What follows is for instances that share one switch. Each change has a version, and
// the highest holds; of two that were made at once the one with the higher name. An
// instance that cannot reach the others switches by itself, and they learn it later.

// Share has publish be told each change and each reload of an operator, and what is
// AuditForAll, as text for Merge of the other instances. It must not block. Ahead is the
// clock of all less this host's: versions are by that one. Share is for the time before Run
// and the first Set.
func (c *Control) Share(publish func(entry []byte), ahead func() time.Duration) {
	c.publish, c.ahead = publish, ahead
}

// Current returns what is forced, as a version and a text for Adopt. Its times are by
// this host's clock plus offset.
func (c *Control) Current(offset time.Duration) (version uint64, name string, text []byte) {
	s := c.state.Load().shifted(offset)
	text, _ = json.Marshal(s) // texts, numbers and times
	return s.Version, s.Name, text
}

// Held is the version of what is forced, and its name; zero and "" before the first change.
func (c *Control) Held() (version uint64, name string) {
	s := c.state.Load()
	return s.Version, s.Name
}

// Made reports whether a text is what Current returns with that version and name: an old
// text is not taken for a new one. It is an error if the text cannot be read.
func Made(text []byte, version uint64, name string) (bool, error) {
	var s struct {
		Version uint64
		Name    string
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return false, fmt.Errorf("control: the switch of another instance cannot be read: %w", err)
	}
	return s.Version > 0 && s.Version == version && s.Name == name, nil
}

// Adopt puts in force what another instance's Current returned, if it is newer than
// what holds here. It holds even where the store takes no writes: the others go by it.
func (c *Control) Adopt(ctx context.Context, text []byte, offset time.Duration) error {
	next := &state{}
	if err := json.Unmarshal(text, next); err != nil {
		return fmt.Errorf("control: the switch of another instance cannot be read: %w", err)
	}
	next = next.shifted(-offset)
	adopted, err := c.adopt(ctx, next)
	if adopted {
		c.tellFollowers()
		c.wake()
	}
	return err
}

func (c *Control) adopt(ctx context.Context, next *state) (adopted bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !next.newer(c.state.Load()) {
		return false, nil
	}
	c.state.Store(next)
	c.log.Log(ctx, next.level(), "another instance of the fleet has switched", "summary", next.Summary, "actor", next.Actor, "version", next.Version)
	value, err := json.Marshal(next)
	if err == nil {
		err = c.store.Put(context.WithoutCancel(ctx), bucket, switchKey, value, 0)
	}
	if err != nil {
		err = fmt.Errorf("control: the switch of the fleet holds, but could not be stored: %w", err)
	}
	return true, err
}

func (s *state) newer(other *state) bool {
	return s.Version > other.Version || s.Version == other.Version && s.Name > other.Name
}

// named makes of s the change that follows one of that version. Versions are no less
// than the time in milliseconds: who has not heard of the others' changes yet makes a
// newer one all the same. The others take none that is far ahead of their time.
func (s *state) named(version uint64, now time.Time) *state {
	s.Version, s.Name = max(version+1, uint64(now.UnixMilli())), newName()
	return s
}

// shared is a time of this host by the clock of all instances.
func (c *Control) shared(now time.Time) time.Time {
	if c.ahead == nil {
		return now
	}
	return now.Add(c.ahead())
}

// newName is a name that nothing else has.
func newName() string {
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails
	return hex.EncodeToString(name)
}

// shifted returns s by a clock that is ahead by offset.
func (s *state) shifted(offset time.Duration) *state {
	shift := func(until *time.Time) *time.Time {
		if until == nil {
			return nil
		}
		at := until.Add(offset)
		return &at
	}
	next := *s
	if s.Override != nil {
		o := *s.Override
		o.Since, o.Until = o.Since.Add(offset), shift(o.Until)
		next.Override = &o
	}
	next.Drills = make(map[string]Drill, len(s.Drills))
	for scene, d := range s.Drills {
		d.Since, d.Until = d.Since.Add(offset), shift(d.Until)
		next.Drills[scene] = d
	}
	return &next
}

// Merge enters in the audit what operators did at other instances, whose texts are
// told with times by this host's clock plus offset. What is there already is not
// entered again.
func (c *Control) Merge(ctx context.Context, texts [][]byte, offset time.Duration) error {
	c.merging.Lock()
	defer c.merging.Unlock()
	if err := c.learnNames(ctx); err != nil {
		return err
	}
	for _, text := range texts {
		e := decode(time.Time{}, text)
		if e.name == "" || e.Kind == "" || c.names[e.name] { // a switch has a name too, and no kind
			continue
		}
		var told struct{ At time.Time }
		_ = json.Unmarshal(text, &told) // decode has read it
		c.names[e.name] = true
		e.At = told.At.Add(-offset)
		c.enqueue(e)
	}
	return nil
}

// learnNames reads once which entries of others are there.
func (c *Control) learnNames(ctx context.Context) error {
	if c.names != nil {
		return nil
	}
	names := map[string]bool{}
	for _, log := range []string{operatorsLog, eventsLog} {
		found, err := c.store.Entries(ctx, log, time.Time{}, maxKept)
		if err != nil {
			return fmt.Errorf("control: the audit cannot be read: %w", err)
		}
		for at, text := range found {
			names[decode(at, text).name] = true
		}
	}
	c.names = names
	return nil
}

// maxKept is how many entries a log of the store keeps.
const maxKept = 10_000

// tell has the other instances learn what an operator did here.
func (c *Control) tell(e Entry) {
	if c.publish == nil || e.name == "" {
		return
	}
	c.merging.Lock()
	if c.names != nil {
		c.names[e.name] = true
	}
	c.merging.Unlock()
	c.publish(e.encode())
}
