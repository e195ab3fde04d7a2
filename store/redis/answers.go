package redis

import (
	"context"

	"captchagate/fleet"
)

// captchagate/fleet/memory_answers.go is the twin of both scripts in Go, and says more.
// KEYS: the key's mark, the question's. ARGV: own, the claim, its life in ms, the answer's.
const claimScript = `local own = redis.call('GET', KEYS[1])
if own and own ~= ARGV[1] then return {'misused', ''} end
local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[2] then return {'', held} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return {'', ''}`

// KEYS: the key's mark, the question's. ARGV: own, the claim, the answer, its life in ms.
const answerScript = `local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return 1`

// Claim claims a question. After an error it may have been claimed all the same.
func (b *Board) Claim(ctx context.Context, c fleet.Claim) (got fleet.Held, err error) {
	err = b.asks.ask(ctx, "claim", b.asks.times*askPatience, func(ctx context.Context) error {
		reply, err := b.claimLua.Run(ctx, b.asks.client, b.marks(c), c.Own, c.Value(), c.Life.Milliseconds(), c.Kept.Milliseconds()).StringSlice()
		switch {
		case err != nil:
			return err
		case len(reply) != 2:
			return errWritten
		case reply[0] != "":
			got.Standing = fleet.Misused
		default:
			got = fleet.StandingOf(reply[1])
		}
		return nil
	})
	return got, err
}

// Answer leaves an answer. Nobody waits for it.
func (b *Board) Answer(ctx context.Context, a fleet.Answer) error {
	return b.asks.ask(ctx, "answer", patience, func(ctx context.Context) error {
		return b.answerLua.Run(ctx, b.asks.client, b.marks(a.Claim), a.Own, a.Claim.Value(), a.Value(), a.Kept.Milliseconds()).Err()
	})
}

func (b *Board) marks(c fleet.Claim) []string {
	return []string{b.names.of(c.KeyMark()), b.names.of(c.QuestionMark())}
}
