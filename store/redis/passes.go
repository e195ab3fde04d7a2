package redis

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"captchagate/fleet"
)

//go:embed script/take.lua
var takeScript string

const (
	// takePatience is what a degraded answer or a solution waits at most.
	takePatience = 25 * time.Millisecond
	// askPatience is what any other request does.
	askPatience = 5 * time.Millisecond
	// connections is how many requests ask at once; others wait for their turn.
	connections = 8
)

// An asker makes the calls of requests, behind a gate.
type asker struct {
	client  goredis.UniversalClient
	times   time.Duration // as long as usual a request waits
	gate    gate
	turns   chan struct{}
	metrics *metrics
}

func newAsker(client goredis.UniversalClient, times int, m *metrics) *asker {
	n := time.Duration(times)
	return &asker{client: client, times: n, gate: gate{quick: n * quickBeat}, turns: make(chan struct{}, connections), metrics: m}
}

// ask makes a call within a time, whoever leaves meanwhile. It fails at once while the
// gate is shut. Who finds no turn in time says nothing about Redis: those who have one do.
func (a *asker) ask(ctx context.Context, name string, patience time.Duration, call func(context.Context) error) error {
	if !a.gate.isOpen() {
		a.metrics.refused(name)
		return ErrShut
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	began := time.Now()
	select {
	case a.turns <- struct{}{}:
	case <-ctx.Done():
		a.metrics.refused(name)
		return ErrAway
	}
	defer func() { <-a.turns }()
	err := call(ctx)
	a.gate.asked(err)
	a.metrics.called(name, time.Since(began), err)
	if err != nil {
		return fmt.Errorf("redis: %s failed: %w", name, reason(err))
	}
	return nil
}

// Asks reports whether requests are let to Redis: it answers in time.
func (b *Board) Asks() bool { return b.asks.gate.isOpen() }

// Take asks for a pass. After an error it may have been given all the same.
func (b *Board) Take(ctx context.Context, w fleet.Want) (got fleet.Got, err error) {
	keys := []string{b.names.of("fleet"), b.names.of(fleet.ClockKey(w.Clock.Name))}
	for _, marks := range [][]string{w.Claims, w.Bars} {
		for _, name := range marks {
			keys = append(keys, b.names.of(name))
		}
	}
	c := w.Clock
	args := []any{
		w.Gen, w.ID, max(w.Life.Milliseconds(), 1), len(w.Claims), len(w.Bars),
		int64(c.For), int64(c.Begun), int64(c.Renewed), truth(c.Again), c.Life().Milliseconds(),
	}
	for _, bucket := range w.Buckets {
		keys = append(keys, b.names.of(fleet.BucketKey(w.Gen, bucket.Name)))
		args = append(args, int64(bucket.Interval), int64(bucket.Burst))
	}
	err = b.asks.ask(ctx, "take", b.asks.times*takePatience, func(ctx context.Context) error {
		reply, err := b.takeLua.Run(ctx, b.asks.client, keys, args...).Int64Slice()
		if err != nil {
			return err
		}
		got, err = gotten(reply)
		return err
	})
	return got, err
}

// gotten reads what the script returned.
func gotten(reply []int64) (fleet.Got, error) {
	if len(reply) < 4 || reply[0] < int64(fleet.Stale) || reply[0] > int64(fleet.Given) {
		return fleet.Got{}, errWritten
	}
	got := fleet.Got{Outcome: fleet.Outcome(reply[0]), Which: int(reply[1]), Begun: fleet.Ticks(reply[2])}
	if reply[3] > 0 {
		got.At = fleet.Ticks(reply[3]).Time()
	}
	for _, level := range reply[4:] {
		got.Levels = append(got.Levels, fleet.Ticks(level))
	}
	return got, nil
}

// Marked returns which of the names are marked.
func (b *Board) Marked(ctx context.Context, names ...string) (marked []bool, err error) {
	err = b.asks.ask(ctx, "marked", b.asks.times*askPatience, func(ctx context.Context) error {
		replies, err := b.asks.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, name := range names {
				p.Exists(ctx, b.names.of(name))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, r := range replies {
			marked = append(marked, r.(*goredis.IntCmd).Val() > 0) //nolint:errcheck // it is what Exists makes
		}
		return nil
	})
	return marked, err
}

// Mark leaves marks. Nobody waits for it.
func (b *Board) Mark(ctx context.Context, marks []fleet.Mark) error {
	return b.asks.ask(ctx, "mark", patience, func(ctx context.Context) error {
		_, err := b.asks.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, m := range marks {
				p.Set(ctx, b.names.of(m.Name), m.By, max(m.Life, time.Millisecond))
			}
			return nil
		})
		return err
	})
}

// Release takes marks away that were left by whom id names. Nobody waits for it.
func (b *Board) Release(ctx context.Context, id string, names ...string) error {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = b.names.of(name)
	}
	return b.asks.ask(ctx, "release", patience, func(ctx context.Context) error {
		return b.releaseLua.Run(ctx, b.asks.client, keys, id).Err()
	})
}

const releaseScript = `for _, key in ipairs(KEYS) do
	if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 0`

func truth(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
