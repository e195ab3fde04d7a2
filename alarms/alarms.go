// Package alarms tells operators, where they are, what happens: it posts to a webhook or a
// chat. What cannot be delivered waits in the store, is repeated for an hour and outlives
// the process; a kind is told of once a minute at most, and what happens meanwhile is
// counted in its next alarm. Of a fleet one instance tells.
//
// An event that was raised (event.go) waits until its kind may be told of, becomes a part of
// a message (message.go), and is gone once that was acknowledged or is an hour old
// (send.go). keep.go writes both; fleet.go leaves to other instances what they told.
package alarms

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"captchagate/webhook"
)

const (
	// goodFor is how long an alarm is repeated, from what it tells last.
	goodFor = time.Hour
	// between is the least time between two alarms of a kind.
	between = time.Minute
	// sendTimeout bounds one delivery, the answer's body included.
	sendTimeout = 10 * time.Second
)

// A Store keeps what waits over a restart.
type Store interface {
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
	Delete(ctx context.Context, bucket, key string) error
	List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error)
}

// From is whose alarms they are.
type From struct {
	Instance func() string // names this one
	URL      string        // where operators look; "" = nowhere
}

// Alarms tells. It is safe for concurrent use; Run sets it going.
type Alarms struct {
	cfg     Config
	from    From
	store   Store
	client  *webhook.Client
	trouble func(kind string)
	log     *slog.Logger
	results *prometheus.CounterVec
	fleet   Fleet // nil for one instance
	wake    chan struct{}
	write   chan struct{}
	failing bool // the last delivery failed; of the sending loop alone

	mu        sync.Mutex
	events    map[topic]*event // that are in no message yet
	messages  map[Kind]*message
	sent      map[Kind]time.Time  // when a kind was last told of
	settled   map[topic]time.Time // up to where an instance's own events were told, by the fleet's clock
	unwritten map[string]bool     // keys of records
	away      bool                // the store takes no writes; of the writing loop alone
}

// Results of an alarm, as the metric calls them.
const (
	resultSent      = "sent"
	resultRepeated  = "repeated"  // a delivery failed
	resultCounted   = "counted"   // in another alarm of its kind
	resultElsewhere = "elsewhere" // another instance told of it
	resultLost      = "lost"      // nobody took it within an hour
)

// New returns alarms that go on with what store holds. transport carries them; nil is one of
// its own. Trouble, which may be nil, is told the kind of each trouble of this host's own
// that kept an alarm from the webhook.
//
// It fails if cfg is wrong or the store cannot be read, and panics if reg has its metric
// already.
func New(ctx context.Context, cfg Config, from From, store Store, transport http.RoundTripper, trouble func(kind string), log *slog.Logger, reg prometheus.Registerer) (*Alarms, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if trouble == nil {
		trouble = func(string) {}
	}
	a := &Alarms{
		cfg: cfg, from: from, store: store, client: webhook.New(transport, sendTimeout), trouble: trouble, log: log,
		wake: make(chan struct{}, 1), write: make(chan struct{}, 1),
		events: map[topic]*event{}, messages: map[Kind]*message{}, sent: map[Kind]time.Time{},
		settled: map[topic]time.Time{}, unwritten: map[string]bool{},
	}
	a.results = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_alarms_total", Help: "Alarms, by kind and by what became of them; one that is repeated counts each time.",
	}, []string{"kind", "result"})
	for _, k := range Kinds() {
		for _, result := range []string{resultSent, resultRepeated, resultCounted, resultElsewhere, resultLost} {
			a.results.WithLabelValues(string(k), result)
		}
	}
	if cfg.Webhook == "" {
		return a, nil
	}
	return a, a.load(ctx)
}

// Share has one instance of a fleet tell what several see. It must be called before Run.
func (a *Alarms) Share(f Fleet) { a.fleet = f }

// On reports whether there is somebody to tell.
func (a *Alarms) On() bool { return a.cfg.Webhook != "" }

// Raise has operators told. about tells apart what events of a kind are about, such as
// scenes; "" is for kinds that are about one thing only. Neither summary nor detail, which
// becomes JSON, may hold what users, pages or a script's host said. It never blocks.
func (a *Alarms) Raise(k Kind, about, summary string, detail any) {
	a.RaiseAt(time.Now(), k, about, summary, detail)
}

// RaiseAt is Raise of what happened at a time.
func (a *Alarms) RaiseAt(at time.Time, k Kind, about, summary string, detail any) {
	if !a.On() {
		return
	}
	text, err := json.Marshal(detail)
	if err != nil || len(text) > maxDetail {
		text = []byte("null")
	}
	a.note(&event{Kind: k, About: about, At: at.UTC().Round(0), Summary: shorten(summary), Detail: text})
}

// Run sends and writes until ctx ends.
func (a *Alarms) Run(ctx context.Context) {
	if !a.On() {
		return
	}
	defer a.client.Close()
	keeping, sent := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { a.keepAll(keeping) })
	a.sendAll(ctx)
	sent() // and what came of the last one is written too
	wg.Wait()
}

func (a *Alarms) count(k Kind, result string, n int) {
	a.results.WithLabelValues(string(k), result).Add(float64(n))
}

func wake(waker chan struct{}) {
	select {
	case waker <- struct{}{}:
	default: // it is awake
	}
}
