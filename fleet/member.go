package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"
)

const (
	// beatEvery is how often an instance beats, give or take a tenth.
	beatEvery = 500 * time.Millisecond
	// usualPatience bounds one beat.
	usualPatience = 200 * time.Millisecond
	// spread keeps instances from asking for a probe in the same moment.
	spread = 50 * time.Millisecond
	// startsWithin is how long after a lease was asked for its probe must begin.
	startsWithin = 200 * time.Millisecond
	// leaseSlack is what a lease is longer than its probe: for the start and for
	// what comes after its time-out.
	leaseSlack = startsWithin + 100*time.Millisecond
)

// UsualRules are for probes of a time-out, as many answered in a row as end an
// outage, and so on, as the circuits of the instances have them.
func UsualRules(timeout, spacing, initial, most time.Duration, successes int) Rules {
	return Rules{
		Window: 2 * time.Second, Lease: timeout + leaseSlack,
		Handover: 300 * time.Millisecond, Candidacy: 500 * time.Millisecond,
		Spacing: spacing, Initial: initial, Max: most, Successes: successes,
	}
}

// An Instance is the gateway that a Member speaks for. None of its methods may
// block.
type Instance interface {
	// Health is how it finds the API.
	Health() Health
	// Follow puts in force what the fleet has decided.
	Follow(c Circuit, why string)
	// About is what operators see of it.
	About() []byte
}

// Health is how an instance finds the API.
type Health struct {
	Voting bool // it finished a call within its window
	Open   bool // its own circuit is open, or half open
	Closed bool // its own circuit is closed
}

// A Member is one instance among its fleet: it beats, and knows what it heard. Its
// methods answer from memory.
type Member struct {
	id    string
	born  time.Time
	board Board
	rules Rules
	bound time.Duration // of one beat
	log   *slog.Logger
	turns chan *Turn
	wakes chan struct{}

	instance Instance
	register Switch // may be nil
	tails    [Kinds]Tail

	beating turnstile // held for a beat, and while what it brought is put in force
	ended   Ended     // guarded by beating, as clock
	clock   clock

	mu         sync.Mutex
	news       [Kinds]outbox
	reborn     time.Time // when a new generation was first heard of
	view       View
	up         bool      // the last beat succeeded
	heard      time.Time // when one last did; zero for never
	complained bool
	offset     time.Duration
	followed   Circuit
	void       Register  // was on the board, and is no instance's
	meddled    time.Time // when that was last so; zero for never
}

// A turnstile lets one through at a time, as a sync.Mutex does: it is a channel because
// virtual time stands still for whoever waits for a mutex.
type turnstile chan struct{}

func (t turnstile) lock()   { t <- struct{}{} }
func (t turnstile) unlock() { <-t }

// A Switch is a register that the fleet shares; its methods must not block for
// long.
type Switch interface {
	// Current is what holds here. Its times are by this host's clock plus offset.
	Current(offset time.Duration) Register
	// Adopt puts in force what holds in the fleet, with times of the same kind, if it is
	// newer than what holds here. It returns false, and does nothing, if no instance of
	// the fleet wrote that as this version.
	Adopt(r Register, offset time.Duration) (written bool)
}

// A Tail is told news of others, each at least once.
type Tail func(entries [][]byte, offset time.Duration)

// NewMember returns the member for a new instance. Serve says whom it speaks for.
func NewMember(board Board, rules Rules, log *slog.Logger) *Member {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	m := &Member{
		id: hex.EncodeToString(id), born: time.Now(), board: board, rules: rules, bound: usualPatience, log: log,
		turns: make(chan *Turn, 1), wakes: make(chan struct{}, 1), beating: make(turnstile, 1),
	}
	for kind := range m.news {
		life, most := Kind(kind).Limits()
		m.news[kind] = outbox{life: life, most: min(most, maxOutgoing)}
	}
	return m
}

// Serve has m speak for an instance, share its switch and tell its tails. It must be
// called before Run; s and any tail may be nil.
func (m *Member) Serve(i Instance, s Switch, tails [Kinds]Tail) {
	m.instance, m.register, m.tails = i, s, tails
}

// Wait has a beat wait for the board so many times as long as usual, 200 ms; 0 is once. It
// must be called before Run.
func (m *Member) Wait(times int) { m.bound = time.Duration(max(times, 1)) * usualPatience }

// ID is the instance's name in the fleet, another one in each process.
func (m *Member) ID() string { return m.id }

// Wake has the next beat be made at once: something changed.
func (m *Member) Wake() {
	select {
	case m.wakes <- struct{}{}:
	default: // it will be
	}
}

// Publish has the others learn an entry of news with the next beat.
func (m *Member) Publish(kind Kind, text []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.news[kind].add(string(text), time.Now())
}

// maxOutgoing bounds what an instance tells, and tells again on a board that is new.
const maxOutgoing = 10_000

// Turns bring this instance's turns to probe in place of all.
func (m *Member) Turns() <-chan *Turn { return m.turns }

// Patience is how many times as seldom as usual this instance should probe for
// itself: not at all while the fleet does.
func (m *Member) Patience() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.up:
		return max(m.view.Alive, 1) // the others may probe too
	case m.view.Circuit.State == Open || m.view.Circuit.State == HalfOpen:
		return 0
	}
	return 1
}

// Status is what m heard last, and whether the board answers.
func (m *Member) Status() (v View, up bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view, m.up
}

// Heard is when the board last answered; zero for never.
func (m *Member) Heard() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard
}

// Gen is the generation of the board, as m heard last: 0 if it never did.
func (m *Member) Gen() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view.Gen
}

// Settled reports whether the board has been of one generation for long enough that all
// have told again what they let in: until then a ticket may be used elsewhere.
func (m *Member) Settled() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.reborn.IsZero() && time.Since(m.reborn) >= m.rules.Window
}

// Instances is how many instances there are, as far as m heard: 0 if it never did.
func (m *Member) Instances() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view.Alive
}

// Offset is the board's clock less this host's; false if it is not known yet.
func (m *Member) Offset() (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.offset, !m.heard.IsZero()
}

// Meddled is when the switch on the board was last found to be one that no instance wrote,
// or an older one than before; zero for never.
func (m *Member) Meddled() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.meddled
}

// Members are the instances of the fleet that the board knows.
func (m *Member) Members(ctx context.Context) ([]Seen, error) { return m.board.Members(ctx) }

// Run beats until ctx ends, and leaves the fleet then.
func (m *Member) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			m.leave(context.WithoutCancel(ctx))
			return
		case <-m.wakes:
		case <-timer.C:
		}
		v, _ := m.exchange(ctx, false)
		if v.Due {
			select {
			case m.turns <- &Turn{member: m}:
			default: // the last one is not taken yet
			}
		}
		timer.Reset(m.wait(v))
	}
}
