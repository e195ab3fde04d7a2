package redis

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"captchagate/fleet"
)

// captchagate/fleet/memory_queues.go is the twin of both scripts in Go, and says more.
// KEYS: owners by when they were seen, adoptions. ARGV: owner, whether it may adopt;
// silence, the lives of an adoption and of both keys in ms.
const tendScript = `local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local function adopting(who)
	local by, ends = string.match(redis.call('HGET', KEYS[2], who) or '', '^(.*):(%d+)$')
	ends = tonumber(ends) or 0
	if ends > now + tonumber(ARGV[4]) then ends = 0 end -- no instance wrote it
	return by or '', ends
end
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or now)
redis.call('ZREM', KEYS[1], ARGV[1]) -- a script that began by freeing goes on where memory is full
redis.call('ZADD', KEYS[1], now, ARGV[1])
local _, ends = adopting(ARGV[1])
local adopted, found = ends > now and 1 or 0, ''
if ARGV[2] == '1' then
	for _, orphan in ipairs(redis.call('HKEYS', KEYS[2])) do
		local by, ends = adopting(orphan)
		if by == ARGV[1] and ends > now then found = orphan end
	end
	local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))
	table.sort(silent)
	for _, orphan in ipairs(silent) do
		local _, ends = adopting(orphan)
		if found == '' and ends <= now then found = orphan end
	end
end
if found ~= '' then
	redis.call('HSET', KEYS[2], found, ARGV[1] .. ':' .. string.format('%.0f', now + tonumber(ARGV[4])))
end
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
return {adopted, found, math.max(now - before, 0)}`

// KEYS: as above. ARGV: orphan, silence in ms.
const doneScript = `local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('HDEL', KEYS[2], ARGV[1])
local seen = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or now)
if seen <= now - tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0`

// mostLeft is about how many records Left brings at once.
const mostLeft = 200

func (b *Board) queue(owner string) string { return b.names.of("queue:" + owner) }
func (b *Board) taken(owner string) string { return b.names.of("taken:" + owner) }
func (b *Board) owners() []string          { return []string{b.names.of("owners"), b.names.of("adoptions")} }

// Tend says that an owner is there, and whether it may adopt; what it is adopting comes
// before any other orphan. Nobody waits for it, nor for
// what follows.
func (b *Board) Tend(ctx context.Context, owner string, adopts bool) (t fleet.Tending, err error) {
	err = b.aside(ctx, "tend", func(ctx context.Context) error {
		reply, err := b.tendLua.Run(ctx, b.others.client, b.owners(), owner, truth(adopts),
			fleet.QueueSilence.Milliseconds(), fleet.AdoptionLife.Milliseconds(), fleet.QueueLife.Milliseconds()).Slice()
		if err != nil {
			return err
		}
		in := reader{reply: reply}
		t = fleet.Tending{Adopted: in.number() == 1, Orphan: in.text(), Silent: time.Duration(in.number()) * time.Millisecond}
		if in.wrong {
			return errWritten
		}
		return nil
	})
	return t, err
}

// Keep brings records of an owner into its queue, or out of it. What came back to it was
// not adopted.
func (b *Board) Keep(ctx context.Context, owner string, records []fleet.Record) error {
	return b.KeepFor(ctx, owner, records, fleet.QueueLife)
}

// KeepFor is Keep for a queue that is remembered for so long.
func (b *Board) KeepFor(ctx context.Context, owner string, records []fleet.Record, life time.Duration) error {
	return b.pipelined(ctx, func(ctx context.Context, p goredis.Pipeliner) {
		for _, r := range records {
			if r.Value == nil {
				p.HDel(ctx, b.queue(owner), r.Name)
			} else {
				p.HSet(ctx, b.queue(owner), r.Name, r.Value)
				p.HDel(ctx, b.taken(owner), r.Name)
			}
		}
		p.PExpire(ctx, b.queue(owner), life)
	})
}

// Names are those of an owner's records.
func (b *Board) Names(ctx context.Context, owner string) (names []string, err error) {
	err = b.aside(ctx, "queue", func(ctx context.Context) (err error) {
		names, err = b.others.client.HKeys(ctx, b.queue(owner)).Result()
		return err
	})
	return names, err
}

// Left are some records of a queue whose names begin with prefix; none if there are none.
func (b *Board) Left(ctx context.Context, owner, prefix string) (records []fleet.Record, err error) {
	for cursor := uint64(0); ; {
		err = b.aside(ctx, "queue", func(ctx context.Context) error {
			pairs, next, err := b.others.client.HScan(ctx, b.queue(owner), cursor, prefix+"*", mostLeft).Result()
			for ; len(pairs) > 1; pairs = pairs[2:] {
				records = append(records, fleet.Record{Name: pairs[0], Value: []byte(pairs[1])})
			}
			cursor = next
			return err
		})
		if err != nil || cursor == 0 || len(records) >= mostLeft {
			return records, err
		}
	}
}

// All are all records of a queue.
func (b *Board) All(ctx context.Context, owner string) (records []fleet.Record, err error) {
	err = b.aside(ctx, "queue", func(ctx context.Context) error {
		all, err := b.others.client.HGetAll(ctx, b.queue(owner)).Result()
		for name, value := range all {
			records = append(records, fleet.Record{Name: name, Value: []byte(value)})
		}
		return err
	})
	return records, err
}

// Took brings records out of a queue that were adopted.
func (b *Board) Took(ctx context.Context, orphan string, names []string) error {
	return b.pipelined(ctx, func(ctx context.Context, p goredis.Pipeliner) {
		for _, name := range names {
			p.HSet(ctx, b.taken(orphan), name, "")
		}
		p.PExpire(ctx, b.taken(orphan), fleet.QueueLife)
		p.HDel(ctx, b.queue(orphan), names...)
	})
}

// Done ends an adoption.
func (b *Board) Done(ctx context.Context, orphan string) error {
	return b.aside(ctx, "tend", func(ctx context.Context) error {
		return b.doneLua.Run(ctx, b.others.client, b.owners(), orphan, fleet.QueueSilence.Milliseconds()).Err()
	})
}

// Taken returns which of an owner's records were adopted.
func (b *Board) Taken(ctx context.Context, owner string, names []string) (taken []bool, err error) {
	err = b.aside(ctx, "queue", func(ctx context.Context) error {
		values, err := b.others.client.HMGet(ctx, b.taken(owner), names...).Result()
		for _, v := range values {
			taken = append(taken, v != nil)
		}
		return err
	})
	return taken, err
}

// aside makes a call for which nobody waits, whether requests are let to Redis or not.
func (b *Board) aside(ctx context.Context, name string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	err := b.others.call(ctx, func(goredis.UniversalClient) error { return call(ctx) })
	b.metrics.called(name, time.Since(began), err)
	if err != nil {
		return fmt.Errorf("redis: %s failed: %w", name, reason(err))
	}
	return nil
}

func (b *Board) pipelined(ctx context.Context, commands func(context.Context, goredis.Pipeliner)) error {
	return b.aside(ctx, "queue", func(ctx context.Context) error {
		_, err := b.others.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			commands(ctx, p)
			return nil
		})
		return err
	})
}
