package control

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Set makes a change. It holds, for this process and those after it, once Set
// has returned nil. The error is Mistakes if the change makes no sense, and
// anything else if it could not be stored; what was forced before then goes
// on.
func (c *Control) Set(ctx context.Context, ch Change) error {
	if wrong := c.Check(ch); wrong != nil {
		return wrong
	}
	c.expire(ctx) // what is over is entered before what follows
	if err := c.apply(ctx, ch); err != nil {
		return err
	}
	c.tellFollowers()
	c.wake()
	return nil
}

// Check returns everything that Set would find wrong in ch, or nil.
func (c *Control) Check(ch Change) Mistakes {
	wrong := ch.Validate(*c.scenes.Load())
	if wrong == nil && ch.Scene != "" && ch.Mode == Auto && !slices.ContainsFunc(c.Drills(), func(d Drill) bool { return d.Scene == ch.Scene }) {
		return Mistakes{{"scene", fmt.Sprintf("%s has no drill now, so there is none to end", ch.Scene)}}
	}
	return wrong
}

// apply stores what ch makes of the state and puts it in force.
func (c *Control) apply(ctx context.Context, ch Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().UTC().Round(0) // by the clock on the wall, as after a restart
	was, e := c.state.Load(), ch.entry(now)
	next := was.with(ch, now).named(was.Version, c.shared(now))
	next.Actor, next.Summary = e.Actor, e.Summary
	if err := c.persist(ctx, next, e); err != nil {
		return fmt.Errorf("control: the change could not be stored, so it was not made: %w", err)
	}
	c.tell(e)
	return nil
}

// persist stores next with its entry and puts it in force. The lock is held. A
// caller who goes away does not stop the write: whether it happened would then
// not be known.
func (c *Control) persist(ctx context.Context, next *state, e Entry) error {
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	e.At = c.distinct(e.At)
	if err := c.store.PutWithEntry(context.WithoutCancel(ctx), bucket, switchKey, value, e.Kind.log(), e.At, e.encode()); err != nil {
		return err
	}
	c.state.Store(next)
	c.tellReaders(e)
	c.log.Log(ctx, next.level(), "switched", "summary", e.Summary, "actor", e.Actor)
	return nil
}

// level is how loudly the log tells of a change to s: what is forced on all is a warning.
func (s *state) level() slog.Level {
	if s.Override != nil {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// with returns what ch makes of s.
func (s *state) with(ch Change, now time.Time) *state {
	next := *s
	var until *time.Time
	if ch.For > 0 {
		end := now.Add(ch.For)
		until = &end
	}
	switch {
	case ch.Scene != "":
		next.Drills = map[string]Drill{}
		maps.Copy(next.Drills, s.Drills)
		delete(next.Drills, ch.Scene)
		if ch.Mode == Degraded {
			next.Drills[ch.Scene] = Drill{
				Scene: ch.Scene, Share: ch.share(), Reason: ch.Reason, Actor: ch.Actor, Since: now, Until: until,
			}
		}
	case ch.Mode == Auto:
		next.Override = nil
	default:
		since := now
		if s.Override != nil && s.Override.Mode == ch.Mode {
			since = s.Override.Since // it goes on
		}
		next.Override = &Override{Mode: ch.Mode, Reason: ch.Reason, Actor: ch.Actor, Since: since, Until: until}
	}
	return &next
}

func (ch Change) share() float64 {
	if ch.Share == nil {
		return 1
	}
	return *ch.Share
}

// expire takes out what is over, tells the followers and enters it in the audit.
// It does not need the store: what is over stays over, and if the store fails
// the next start finds the old state there and comes to the same end.
func (c *Control) expire(ctx context.Context) {
	entries := c.removeExpired(time.Now().UTC().Round(0))
	c.tellFollowers() // before the store is asked: users come back from this moment on
	for _, e := range entries {
		c.persistCurrent(ctx, e)
	}
}

// removeExpired puts a state without what is over in force, and returns what the
// audit should say.
func (c *Control) removeExpired(now time.Time) (entries []Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.state.Load()
	next := *was
	if o := was.Override; o != nil && expired(o.Until, now) {
		next.Override = nil
		entries = append(entries, newEntry(now, KindSwitch, gatewayActor, "forced "+o.Mode.String()+" lapsed", o))
	}
	next.Drills = map[string]Drill{}
	for _, scene := range slices.Sorted(maps.Keys(was.Drills)) {
		drill := was.Drills[scene]
		summary := ""
		switch {
		case expired(drill.Until, now):
			summary = "drill on " + scene + " lapsed"
		case !slices.Contains(*c.scenes.Load(), scene): // nobody could end it by name
			summary = "drill on " + scene + " ended: the scene is no longer configured"
		default:
			next.Drills[scene] = drill
			continue
		}
		entries = append(entries, newEntry(now, KindSwitch, gatewayActor, summary, drill))
	}
	if len(entries) > 0 {
		c.state.Store(&next)
	}
	return entries
}

// persistCurrent stores what is in force, whatever that is by now, with an entry.
func (c *Control) persistCurrent(ctx context.Context, e Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.persist(ctx, c.state.Load(), e); err != nil {
		c.log.Warn("what lapsed could not be stored; it has lapsed all the same", "summary", e.Summary, "error", err)
		c.enqueue(e)
	}
}

// nextEnd is when the next thing in force is over.
func (s *state) nextEnd() (end time.Time, ok bool) {
	sooner := func(until *time.Time) {
		if until != nil && (!ok || until.Before(end)) {
			end, ok = *until, true
		}
	}
	if s.Override != nil {
		sooner(s.Override.Until)
	}
	for _, drill := range s.Drills {
		sooner(drill.Until)
	}
	return end, ok
}
