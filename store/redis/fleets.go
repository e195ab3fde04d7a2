package redis

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// fleetsKey is outside of the names of each fleet: there they see each other.
	fleetsKey = "fleets"
	// fleetSeen is how long a fleet is remembered of which no instance is heard.
	fleetSeen = 2 * time.Minute
)

// Join says that this fleet uses the Redis under its prefix. Nobody waits for it.
func (b *Board) Join(ctx context.Context) error {
	return b.aside(ctx, "fleets", func(ctx context.Context) error {
		now, err := b.others.client.Time(ctx).Result()
		if err != nil {
			return err
		}
		_, err = b.others.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			p.ZRemRangeByScore(ctx, b.fleets, "-inf", fmt.Sprint(now.Add(-fleetSeen).UnixMilli()))
			p.ZAdd(ctx, b.fleets, goredis.Z{Score: float64(now.UnixMilli()), Member: b.tag})
			p.PExpire(ctx, b.fleets, fleetSeen)
			return nil
		})
		return err
	})
}

// OtherFleets is how many fleets with another secret use the Redis under the same prefix.
// It only reads.
func (b *Board) OtherFleets(ctx context.Context) (n int, err error) {
	err = b.aside(ctx, "fleets", func(ctx context.Context) error {
		var now *goredis.TimeCmd
		var seen *goredis.ZSliceCmd
		_, err := b.others.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			now = p.Time(ctx)
			seen = p.ZRangeWithScores(ctx, b.fleets, 0, -1)
			return nil
		})
		if err != nil {
			return err
		}
		for _, z := range seen.Val() {
			if z.Member != b.tag && now.Val().Sub(time.UnixMilli(int64(z.Score))) < fleetSeen {
				n++
			}
		}
		return nil
	})
	return n, err
}
