// Package control owns the operators' switch and the drills, and the audit of
// what was switched.
//
// Whoever decides about a user asks Forced before the Captcha API is asked: one
// atomic load if nothing is forced. What is forced is written to the store, with its entry in
// the audit, before it holds, and is loaded again at the next start. An end
// that was set is compared with the clock on every reading, so a late timer
// changes nothing that a user sees.
package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"captchagate/captcha"
)

// SwitchStore keeps the switch: it writes a value and an entry of a log in one
// write, both or neither, or a value alone.
type SwitchStore interface {
	Get(ctx context.Context, bucket, key string) (value []byte, ok bool, err error)
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	PutWithEntry(ctx context.Context, bucket, key string, value []byte, log string, at time.Time, entry []byte) error
}

// AuditStore keeps the audit.
type AuditStore interface {
	Append(ctx context.Context, log string, at time.Time, entry []byte) error
	Entries(ctx context.Context, log string, since time.Time, limit int) (iter.Seq2[time.Time, []byte], error)
}

// Store is both.
type Store interface {
	SwitchStore
	AuditStore
}

// Names in the store.
const (
	bucket    = "control"
	switchKey = "switch"

	// The audit is kept in two logs, each with a bound of its own: what happens
	// by itself, however often, must not push out what operators did.
	operatorsLog = "audit_operators" // switches and reloads
	eventsLog    = "audit"           // transitions and incidents
)

// gatewayActor stands in the audit for what nobody did.
const gatewayActor = "gateway"

// Control is the switch. Its methods may be called from many goroutines.
type Control struct {
	store  Store
	log    *slog.Logger
	scenes atomic.Pointer[[]string]

	state     atomic.Pointer[state] // what is forced; replaced, never changed
	mu        sync.Mutex            // held by those who replace it
	followers []func()
	wakeups   chan struct{} // wakes Run

	queue   chan queuedEntry // entries of the audit that wait for the store
	dropped atomic.Int64
	last    atomic.Int64 // time of the last entry, in Unix nanoseconds

	publish func(entry []byte)   // to the other instances; nil for one
	ahead   func() time.Duration // their clock, of this host's; nil for one
	readers []func(Entry)        // of the audit as it is entered
	merging sync.Mutex
	names   map[string]bool // of operators' entries that are kept; nil until they were read
}

// state is what is forced, as it is kept.
type state struct {
	Key      []byte           `json:"key"` // of the hash that chooses a drill's users
	Override *Override        `json:"override"`
	Drills   map[string]Drill `json:"drills"` // by scene

	Version uint64 `json:"version,omitempty"` // grows with each change
	Name    string `json:"name,omitempty"`    // of the change
	Actor   string `json:"actor,omitempty"`   // who made it
	Summary string `json:"summary,omitempty"` // what it was, and why
}

// New loads what was forced when the last process ended; what has lapsed since
// has lapsed, and is entered in the audit. scenes are the configured ones.
//
// Run must run for ends to be noticed and for the audit to be written.
func New(ctx context.Context, store Store, scenes []string, log *slog.Logger) (*Control, error) {
	c := &Control{
		store: store, log: log,
		wakeups: make(chan struct{}, 1),
		queue:   make(chan queuedEntry, maxQueued),
	}
	c.SetScenes(scenes)
	loaded, err := load(ctx, store)
	if err != nil {
		return nil, err
	}
	c.state.Store(loaded)
	c.expire(ctx)
	return c, nil
}

// Follow has changed called at once, after every change of what is forced
// (made, lapsed or taken back) and besides once a second while Run runs. It is
// not told what changed: it reads what holds now, so a call too many or a
// change that came in another way does no harm. It is called outside all locks,
// perhaps by several goroutines at once, and Set returns only after it has: it
// must not block. Follow is for the time before Run and the first Set.
func (c *Control) Follow(changed func()) {
	c.followers = append(c.followers, changed)
	changed()
}

// FollowAudit has entered called with each entry of the audit as it is entered, whether or
// not the store has taken it yet. It must not block. FollowAudit is for the time before Run
// and the first Set.
func (c *Control) FollowAudit(entered func(Entry)) { c.readers = append(c.readers, entered) }

func (c *Control) tellReaders(e Entry) {
	for _, entered := range c.readers {
		entered(e)
	}
}

func (c *Control) tellFollowers() {
	for _, changed := range c.followers {
		changed()
	}
}

func load(ctx context.Context, store SwitchStore) (*state, error) {
	kept, ok, err := store.Get(ctx, bucket, switchKey)
	if err != nil {
		return nil, fmt.Errorf("control: the switch cannot be read from the store: %w", err)
	}
	s := &state{}
	if ok {
		if err := json.Unmarshal(kept, s); err != nil {
			return nil, fmt.Errorf("control: the switch in the store is not readable (%w); the store's file is damaged, or another version wrote it: restore it from a backup, use that version, or move the file away to start on auto", err)
		}
	}
	if len(s.Key) == 0 {
		s.Key = make([]byte, sha256.Size)
		_, _ = rand.Read(s.Key) // it never fails
	}
	return s, nil
}

// SetScenes replaces the scenes that Set accepts, after a reload. Drills of
// others end soon after.
func (c *Control) SetScenes(scenes []string) {
	sorted := slices.Sorted(slices.Values(scenes))
	c.scenes.Store(&sorted)
	c.wake()
}

// Mode returns what the switch forces on all: Degraded, Normal, or Auto for
// nothing.
func (c *Control) Mode() Mode {
	s := c.state.Load()
	if s.Override == nil || expired(s.Override.Until, time.Now()) {
		return Auto
	}
	return s.Override.Mode
}

// Forced returns what is forced on the user of a ticket in a scene, by the
// switch or else by a drill. The same user is always on the same side of a
// drill's share.
func (c *Control) Forced(scene string, ticket captcha.Ticket) Mode {
	if mode := c.Mode(); mode != Auto {
		return mode
	}
	s := c.state.Load()
	if drill, ok := s.Drills[scene]; ok && !expired(drill.Until, time.Now()) && s.inShare(scene, ticket, drill.Share) {
		return Degraded
	}
	return Auto
}

// inShare reports whether a user is in the share of a scene's users. The key
// keeps users from computing it, the scene from meeting the same users always.
func (s *state) inShare(scene string, ticket captcha.Ticket, share float64) bool {
	var buffer [512]byte // holds any scene and user of lawful length
	text := append(buffer[:0], s.Key...)
	text = append(text, scene...)
	text = append(text, 0)
	text = ticket.AppendUser(text)
	sum := sha256.Sum256(text)
	return float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) < share
}

// Override returns the switch if it is not on auto, else nil.
func (c *Control) Override() *Override {
	s := c.state.Load()
	if s.Override == nil || expired(s.Override.Until, time.Now()) {
		return nil
	}
	o := *s.Override
	return &o
}

// Drills returns the drills that go on, by scene; never nil.
func (c *Control) Drills() []Drill {
	now := time.Now()
	drills := []Drill{}
	s := c.state.Load()
	for _, scene := range slices.Sorted(maps.Keys(s.Drills)) {
		if drill := s.Drills[scene]; !expired(drill.Until, now) {
			drills = append(drills, drill)
		}
	}
	return drills
}
