package gateway

import (
	"context"
	"encoding/hex"
	"log/slog"
	"slices"
	"sync"
	"time"

	"captchagate/fleet"
	"captchagate/reverify"
	"captchagate/store"
)

const (
	// keepEvery is how often records are brought to the board, which can wait.
	keepEvery = 200 * time.Millisecond
	// tendEvery is how often an instance says that its queue has an owner.
	tendEvery = 2 * time.Second
	// keepAtOnce is how many records go to the board at once.
	keepAtOnce = 200
	// mostKept is how many records of an instance are on the board, about 40 MB.
	mostKept = 50_000
	// ownerKey names the queue of a store, over restarts.
	ownerKey = "owner"
)

// A queueBoard is where instances keep what they have to do.
type queueBoard interface {
	Tend(ctx context.Context, owner string, adopts bool) (fleet.Tending, error)
	Keep(ctx context.Context, owner string, records []fleet.Record) error
	Names(ctx context.Context, owner string) ([]string, error)
	Left(ctx context.Context, owner, prefix string) ([]fleet.Record, error)
	Took(ctx context.Context, orphan string, names []string) error
	Done(ctx context.Context, orphan string) error
	Taken(ctx context.Context, owner string, names []string) ([]bool, error)
}

// A keeper is the store of the queue for re-verification, and has a copy of it on the
// board of the fleet, a moment later. If an instance dies one of the others goes on with
// its queue; what it holds itself it goes on with only after it has looked what is left.
type keeper struct {
	store.Store
	board queueBoard
	owner string
	gen   func() int64 // of the board
	log   *slog.Logger
	queue *reverify.Queue

	// Of Run alone:
	settled bool            // what is here is this instance's
	heard   time.Time       // when the board last was, without a silence
	since   time.Time       // that began
	last    int64           // the generation that has the copy
	failing time.Time       // since when the board has not been told, though it is there
	warned  bool            // of that
	kept    map[string]bool // places on the board
	most    int             // of them
	without bool            // some are not there, for there are too many
	told    bool            // of that

	mu    sync.Mutex
	dirty map[string]bool // places of which the copy is not as the store is
	lost  bool            // more than dirty tells
}

func newKeeper(ctx context.Context, s store.Store, board queueBoard, gen func() int64, log *slog.Logger) (*keeper, error) {
	owner, err := keptKey(ctx, s, ownerKey)
	if err != nil {
		return nil, err
	}
	return &keeper{Store: s, board: board, owner: hex.EncodeToString(owner[:8]), gen: gen, log: log, kept: map[string]bool{}, most: mostKept, dirty: map[string]bool{}}, nil
}

// Put and Delete are the store's, and note what the board is to know.
func (k *keeper) Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error {
	defer k.touch(bucket, key)
	return k.Store.Put(ctx, bucket, key, value, life)
}

// Delete is the store's.
func (k *keeper) Delete(ctx context.Context, bucket, key string) error {
	defer k.touch(bucket, key)
	return k.Store.Delete(ctx, bucket, key)
}

func (k *keeper) touch(bucket, key string) {
	if slices.Contains(reverify.Shared, bucket) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.dirty) >= 4*k.most { // the board has been away for long
			k.dirty, k.lost = map[string]bool{}, true
		}
		k.dirty[reverify.Place(bucket, key)] = true
	}
}

// serve says whose records these are, and holds it until it is known who has them.
func (k *keeper) serve(q *reverify.Queue) {
	k.queue = q
	q.Hold(true)
}

// Run keeps the copy, and goes on with what others left, until ctx ends.
func (k *keeper) Run(ctx context.Context) {
	ticks := time.NewTicker(keepEvery)
	defer ticks.Stop()
	tended := time.Time{}
	for {
		if time.Since(tended) >= tendEvery {
			tended = time.Now()
			k.tend(ctx)
		}
		if k.settled {
			_ = k.copyAll(context.WithoutCancel(ctx)) // or the next time
		}
		select {
		case <-ctx.Done():
			if k.settled {
				k.finish(context.WithoutCancel(ctx))
			}
			return
		case <-ticks.C:
		}
	}
}

// finish brings what is not on the board yet to it, as far as a short time allows: what
// is to go can wait.
func (k *keeper) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, keepEvery)
	defer cancel()
	var batches, entries, gone []string
	for _, place := range k.unmark(4 * k.most) {
		bucket, key := reverify.PlaceOf(place)
		switch _, ok, _ := k.Get(ctx, bucket, key); {
		case !ok:
			gone = append(gone, place)
		case bucket == reverify.Shared[0]:
			batches = append(batches, place)
		default:
			entries = append(entries, place)
		}
	}
	for some := range slices.Chunk(slices.Concat(batches, entries, gone), keepAtOnce) {
		if k.copy(ctx, some) != nil {
			return
		}
	}
}

// tend tells that this instance is there. After a silence it looks which of its records
// another one has adopted meanwhile; where the board is away it goes on with all.
//
// Only who has been heard for as long as a silence lasts adopts: once a board is back
// that was away, the others must have had the time to be heard.
func (k *keeper) tend(ctx context.Context) {
	now := time.Now()
	if now.Sub(k.heard) >= fleet.QueueSilence {
		k.settled, k.since = false, now
	}
	t, err := k.board.Tend(ctx, k.owner, k.settled && now.Sub(k.since) >= fleet.QueueSilence && k.room() > 0)
	if err == nil {
		k.heard = now
	}
	k.warn(err)
	if t.Silent >= fleet.QueueSilence { // longer than this one knows: its machine was paused
		k.settled, k.since, t.Orphan = false, now, ""
	}
	switch {
	case err != nil:
	case t.Adopted:
		k.settled = false
		k.queue.Hold(true)
		return
	case !k.settled:
		k.settled = k.forgetTaken(ctx) == nil
	}
	k.queue.Hold(false)
	if t.Orphan != "" {
		k.adopt(ctx, t.Orphan)
	}
}

// room is how many more records this instance may have on the board.
func (k *keeper) room() int { return max(k.most-len(k.kept), 0) }

// warn tells, once, that the board does not take the queue for long, though it is there.
func (k *keeper) warn(err error) {
	switch {
	case err == nil:
		if k.warned {
			k.log.Info("what this instance has to ask again is shared with the fleet again")
		}
		k.failing, k.warned = time.Time{}, false
	case k.gen() == 0:
		k.failing = time.Time{}
	case k.failing.IsZero():
		k.failing = time.Now()
	case !k.warned && time.Since(k.failing) >= fleet.QueueSilence:
		k.warned = true
		k.log.Warn("Redis is there and does not take what this instance has to ask again: if it dies nobody goes on with that before it is back", "error", err)
	}
}

// places are those of all records here.
func (k *keeper) places(ctx context.Context) (places []string, err error) {
	for _, bucket := range reverify.Shared {
		found, err := k.List(ctx, bucket, 2_000_000)
		if err != nil {
			return nil, err
		}
		for key := range found {
			places = append(places, reverify.Place(bucket, key))
		}
	}
	return places, nil
}

// queueStore is where the queue keeps what it holds, and the keys that seal it: the fleet's,
// so that any of its instances can read it, and the store's own, which sealed it before
// this was an instance of a fleet.
func (g *Gateway) queueStore(ctx context.Context) (s reverify.Store, keys [][]byte, err error) {
	own, err := keptKey(ctx, g.store, sealKey)
	if err != nil || g.group == nil {
		return g.store, [][]byte{own}, err
	}
	g.group.keeper, err = newKeeper(ctx, g.store, g.group.board, g.group.gen, g.log)
	return g.group.keeper, [][]byte{g.group.secret.Key("reverify"), own}, err
}

// gen is the generation of the board; 0 while it is away.
func (g *group) gen() int64 {
	if v, up := g.member.Status(); up {
		return v.Gen
	}
	return 0
}

// shareQueue has others go on with the queue if this instance dies, and know whom it
// refuted.
func (g *group) shareQueue(q *reverify.Queue) {
	if g == nil {
		return
	}
	g.keeper.serve(q)
	q.ShareRefuted(func(entry []byte) { g.member.Publish(fleet.Refuted, entry) })
}

// learnRefuted takes in whom others refuted.
func (g *group) learnRefuted(entries [][]byte, _ time.Duration) {
	for _, entry := range entries {
		g.keeper.queue.LearnRefuted(entry)
	}
}

// A pace is how much of what the Captcha API can bear this instance may ask again: the
// instances share it.
type pace struct {
	situation *situation
	group     *group // nil for one instance
}

// Share is reverify's.
func (p pace) Share() float64 {
	share := p.situation.Share()
	if p.group != nil {
		share /= float64(max(p.group.member.Instances(), 1))
	}
	return share
}
