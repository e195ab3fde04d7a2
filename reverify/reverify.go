// Package reverify asks again, once the Captcha API is back, about what was let
// through with a real ticket while it was away, and reports what it found.
//
// An entry goes one way, and each step is in the store before the next begins:
//
//	Add → entry → asked, or too old to ask → batch of reports → acknowledged
//
// Three loops move it: asking (ask.go), gathering findings into batches
// (gather.go) and sending those to the webhook (send.go). The process may die
// at any moment. An entry leaves the store only after a batch with its report
// is there, and a batch is sent only after its entries are gone, under the key
// that it was stored with. So nothing is lost, and nothing is reported under
// two keys.
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
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
)

const (
	// mostEntries bounds what is kept: about 150 bytes of memory each, and in
	// the store about 500 until it was asked about and 250 after.
	mostEntries = 1_000_000
	// life is how long after a decision anything of it is kept.
	life = 24 * time.Hour
	// patience is how long Add waits for the store. A user waits for it.
	patience = 250 * time.Millisecond
	// mostStrays bounds how many entries are remembered whose writing failed.
	mostStrays = 10_000
)

// ErrFull says that the queue holds as much as it may.
var ErrFull = errors.New("reverify: the queue is full; see why reports are not acknowledged, or lower the budgets of the scenes")

// An Entry is somebody who was let through with a real ticket that nobody could
// verify.
type Entry struct {
	DecisionID string
	Scene      string
	Reference  string // the business's own; may be empty
	Incident   string // "" outside incidents
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
	List(ctx context.Context, bucket string, most int) (iter.Seq2[string, []byte], error)
}

// A Pace says how much the Captcha API can bear: 0 while it is away, 1 when all
// is well, and between while it recovers.
type Pace interface{ Share() float64 }

// A Queue holds entries until they were reported. It is safe for concurrent
// use. Run sets it going.
type Queue struct {
	verifier captcha.Verifier
	store    Store
	pace     Pace
	tell     func(captcha.Ticket)
	cfg      Config
	client   *http.Client
	sealer   *sealer
	log      *slog.Logger
	found    *prometheus.CounterVec
	tempo    tempo

	mu      sync.Mutex
	held    int // entries, and reports that the webhook must still acknowledge
	line    line
	piles   map[string]*pile // findings without a batch yet, by incident
	batches []*batch         // whose reports are kept, oldest first
	tallies map[string]*Tally
	strays  []string // may be in the store although Add failed
	refuted marks
	ails    ailment

	open   *openBatch    // being made; gathering's own
	before []captcha.Key // that let somebody in before this process began
}

// New returns a queue that goes on with what store holds. Verifier makes one
// attempt a call. Refuted, which may be nil, is told of each ticket that turned
// out bad, and must not block. Key, at least 32 bytes, seals what the store
// holds; with another key nothing there can be read. Transport carries the
// reports to the webhook; nil is one of its own.
//
// It fails where cfg is wrong or the store cannot be read.
func New(ctx context.Context, verifier captcha.Verifier, store Store, pace Pace, refuted func(captcha.Ticket), cfg Config, key []byte, transport http.RoundTripper, log *slog.Logger, reg prometheus.Registerer) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	sealer, err := newSealer(key)
	if err != nil {
		return nil, err
	}
	if refuted == nil {
		refuted = func(captcha.Ticket) {}
	}
	q := &Queue{
		verifier: verifier, store: store, pace: pace, tell: refuted, cfg: cfg,
		client: newClient(transport), sealer: sealer, log: log, tempo: usual(),
		piles: map[string]*pile{}, tallies: map[string]*Tally{}, refuted: newMarks(),
	}
	if q.found, err = newMetric(reg); err != nil {
		return nil, err
	}
	if err := q.load(ctx); err != nil {
		return nil, fmt.Errorf("reading what waits for re-verification: %w", err)
	}
	return q, nil
}

// newMetric registers the counter of findings; each stands at 0 from the start.
func newMetric(reg prometheus.Registerer) (*prometheus.CounterVec, error) {
	found := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_reverified_total", Help: "Users let through in degraded mode, by what asking again found.",
	}, []string{"result"})
	for _, r := range []Result{Confirmed, Refuted, Unverifiable} {
		found.WithLabelValues(string(r))
	}
	if err := reg.Register(found); err != nil {
		return nil, fmt.Errorf("registering the metric of re-verification: %w", err)
	}
	return found, nil
}

// Add keeps e, so that it survives the death of the process from when Add
// returns. It takes at most 250 ms and goes on where ctx ends.
//
// On an error e is not kept, and its user must not be let through; an id that
// failed must not be added again. ErrFull says that there is no room.
func (q *Queue) Add(ctx context.Context, e Entry) error {
	if e.DecisionID == "" {
		return errors.New("reverify: an entry needs a decision id")
	}
	if !q.reserve() {
		return ErrFull
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	it := &item{id: e.DecisionID, incident: e.Incident, at: e.DecidedAt}
	if err := q.write(ctx, it, recordOf(e)); err != nil {
		q.stray(e.DecisionID)
		return fmt.Errorf("reverify: an entry could not be kept: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.line.add(it)
	q.tally(e.Incident).Waiting++
	return nil
}

func (q *Queue) reserve() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held >= q.tempo.most {
		return false
	}
	q.held++
	return true
}

// stray gives the place of an entry back that could not be written. The write
// may still happen; then the ticket would be asked about, and so used up,
// although its user was not let in. Gathering deletes it.
func (q *Queue) stray(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held--
	if len(q.strays) < mostStrays {
		q.strays = append(q.strays, id)
	}
}

// LetThrough yields the tickets with which an earlier process let somebody in,
// and which could let somebody in again.
func (q *Queue) LetThrough() iter.Seq[captcha.Key] { return slices.Values(q.before) }

// Run asks and reports until ctx ends. Questions on their way are waited for,
// at most about a second.
func (q *Queue) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { q.askAll(ctx) })
	wg.Go(func() { q.gatherAll(ctx) })
	wg.Go(func() { q.sendAll(ctx) })
	wg.Wait()
	q.client.CloseIdleConnections()
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
