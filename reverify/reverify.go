// Package reverify asks again, once the Captcha API is back, about what was let
// through with a real ticket while it was away, and reports what it found.
//
// An entry goes one way, and each step is in the store before the next begins:
//
//	Add → backlog → asked, or expired → pending → batch of reports → acknowledged
//
// Three loops move it: the asker (ask.go) takes entries out of its backlog and asks
// about each (question.go), the batcher (batch.go) makes batches of the findings that
// are pending, and the sender (send.go) delivers them from its outbox to the webhook.
// The process may die at any moment. An entry leaves the store only after a batch
// with its report is there, and a batch is sent only after its entries are gone,
// under the key that it was stored with. So nothing is lost, and nothing is
// reported under two keys.
//
// All that the store gets is sealed. An entry's ticket, address and subject go
// with the answer, or when the ticket is too old; the rest goes when the report
// is acknowledged, or a day after the decision.
package reverify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/webhook"
)

const (
	// retention is how long after a decision anything of it is kept.
	retention = 24 * time.Hour
	// addTimeout is how long Add usually waits for the store. A user waits for it.
	addTimeout = 250 * time.Millisecond
)

// ErrFull says that the queue holds as much as it may.
var ErrFull = errors.New("reverify: the queue is full; see why reports are not acknowledged, or lower the budgets of the scenes")

// An Entry is somebody who was let through with a real ticket that nobody could
// verify.
type Entry struct {
	DecisionID string
	Scene      string
	Reference  string // the business's own; may be empty
	Incident   string // "" outside incidents; perhaps of one that is about to begin
	Ticket     captcha.Ticket
	DecidedAt  time.Time
	Attempted  bool // an attempt of our own for the ticket has an unknown fate
}

// A Store keeps values for a life in named buckets, across restarts. What it
// acknowledged must survive the death of the process.
type Store interface {
	Get(ctx context.Context, bucket, key string) (value []byte, ok bool, err error)
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	Delete(ctx context.Context, bucket, key string) error
	List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error)
}

// A Ramp says how much the Captcha API can bear: 0 while it is away, 1 when all
// is well, and between while it recovers.
type Ramp interface{ Share() float64 }

// A Queue holds entries until they were reported. It is safe for concurrent
// use. Run sets it going.
type Queue struct {
	log      *slog.Logger
	timing   *timing
	records  *records
	capacity *capacity
	tallies  *tallies
	refuted  *refuted
	asker    *asker
	batcher  *batcher
	outbox   *outbox
	sender   *sender // nil if there is no webhook
	held     atomic.Bool
	adopted  adopted
	patience time.Duration // of Add

	letThrough []captcha.Key // by earlier processes
}

// New returns a queue that goes on with what store holds. Verifier makes one
// attempt a call. OnRefuted, which may be nil, is called with each ticket that
// turned out bad, and must not block. The first of keys, each at least 32 bytes,
// seals what the store holds; what none of them sealed cannot be read. Transport carries the
// reports to the webhook; nil is one of its own. Trouble, which may be nil, is
// told the kind of each trouble of this host's own that kept a report from it.
//
// It fails if cfg or a key is wrong or the store cannot be read, and panics if reg
// has its metric already.
func New(ctx context.Context, verifier captcha.Verifier, store Store, ramp Ramp, onRefuted func(captcha.Ticket), cfg Config, keys [][]byte, transport http.RoundTripper, trouble func(kind string), log *slog.Logger, reg prometheus.Registerer) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if trouble == nil {
		trouble = func(string) {}
	}
	ring, err := newKeyring(keys)
	if err != nil {
		return nil, err
	}
	q := &Queue{
		log:      log,
		timing:   &timing{askRate: 20, askEvery: 25 * time.Millisecond, idle: time.Second, flush: 5 * time.Second},
		records:  &records{store: store, keys: ring, log: log},
		capacity: &capacity{limit: maxEntries},
		tallies:  newTallies(reg),
		patience: addTimeout,
	}
	q.refuted = newRefuted(q.records, onRefuted)
	q.outbox = &outbox{records: q.records, capacity: q.capacity, delivers: cfg.Webhook != ""}
	q.batcher = &batcher{
		records: q.records, capacity: q.capacity, outbox: q.outbox, timing: q.timing,
		pending: map[string]*pending{}, named: func(incident string) (string, bool) { return incident, true },
	}
	q.asker = &asker{
		held: &q.held, verifier: verifier, ramp: ramp, records: q.records, refuted: q.refuted,
		tallies: q.tallies, batcher: q.batcher, capacity: q.capacity, timing: q.timing,
	}
	if cfg.Webhook != "" {
		client := webhook.New(transport, sendTimeout)
		q.sender = &sender{held: &q.held, records: q.records, outbox: q.outbox, cfg: cfg, client: client, timing: q.timing, trouble: trouble}
	}
	if err := q.restore(ctx); err != nil {
		return nil, fmt.Errorf("reading what waits for re-verification: %w", err)
	}
	return q, nil
}

// NameIncidents has reports name incidents as named says, and those about others name
// none: what looked like the beginning of an outage may have been chance. It is for the
// time before Run.
func (q *Queue) NameIncidents(named func(incident string) (name string, ok bool)) {
	q.batcher.named = named
}

// Wait has Add wait for the store so many times as long as usual, 250 ms; 0 is once. It
// is for the time before Run.
func (q *Queue) Wait(times int) { q.patience = time.Duration(max(times, 1)) * addTimeout }

// Add keeps e, so that it survives the death of the process from when Add
// returns. It takes at most 250 ms, if Wait says nothing else, and goes on if ctx ends.
//
// On an error e is not kept, and its user must not be let through; an id that
// failed must not be added again. ErrFull says that there is no room.
func (q *Queue) Add(ctx context.Context, e Entry) error {
	if e.DecisionID == "" {
		return errors.New("reverify: an entry needs a decision id")
	}
	if !q.capacity.reserve() {
		return ErrFull
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.patience)
	defer cancel()
	it := &item{id: e.DecisionID, incident: e.Incident, decidedAt: e.DecidedAt}
	if err := q.records.putEntry(ctx, it, recordOf(e)); err != nil {
		// The write may still happen; then the ticket would be asked about, and
		// so used up, although its user was not let in.
		q.capacity.release(1)
		q.batcher.addOrphan(e.DecisionID)
		return fmt.Errorf("reverify: an entry could not be kept: %w", err)
	}
	q.tallies.waiting(e.Incident, 1) // before it can be asked about
	q.asker.add(it)
	return nil
}

func recordOf(e Entry) entryRecord {
	return entryRecord{
		Scene: e.Scene, Reference: e.Reference, Incident: e.Incident,
		DecidedAt: e.DecidedAt, Ticket: &e.Ticket, Attempted: e.Attempted,
	}
}

// Run asks and reports until ctx ends. Questions on their way are waited for,
// at most about a second.
func (q *Queue) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { q.asker.run(ctx) })
	wg.Go(func() { q.gather(ctx) })
	if q.sender != nil {
		wg.Go(func() { q.sender.run(ctx) })
	}
	wg.Wait()
}

// LetThrough yields the tickets with which an earlier process let somebody in,
// and which could let somebody in again.
func (q *Queue) LetThrough() iter.Seq[captcha.Key] { return slices.Values(q.letThrough) }
