package loadtest

import (
	"context"
	"strconv"
	"time"

	"captchagate/loadtest/scenario"
)

// what is killed or started, in words.
func what(p scenario.Process, instances int) string {
	if instances > 1 {
		return "instance " + strconv.Itoa(p.Instance)
	}
	return "gateway"
}

// kill kills an instance; the load balancer sees its connections end.
func (t *subject) kill(at int) error {
	err := t.parts[at].Process.Kill()
	t.parts[at].gone = true
	t.balancer.Lose(at)
	return err
}

func (t *subject) start(ctx context.Context, at int) error {
	t.parts[at].gone = false
	return t.parts[at].Process.Start(ctx)
}

// redisActions are a fault of Redis and, where it lasts, its end.
func redisActions(at time.Duration, f scenario.RedisFault) []action {
	after := func(state, text string, do func(*Redis, context.Context) error) action {
		return action{at, "redis", text, func(ctx context.Context, t *subject) error {
			err := do(t.Redis, ctx)
			if state != "" {
				t.seen.redisIs(t.since(), state)
			}
			return err
		}}
	}
	var begin, end action
	switch f.Kind {
	case "stop":
		begin, end = after("stopped", "Redis stopped, as SIGSTOP does", (*Redis).stop), after("up", "Redis goes on", (*Redis).resume)
	case "kill":
		begin, end = after("killed", "Redis killed, as kill -9 does", (*Redis).kill), after("up", "Redis started again, empty", (*Redis).start)
	case "slow":
		begin, end = after("slow", "Redis answers "+slowRedis.String()+" late", (*Redis).slow), after("up", "Redis is as quick as before", (*Redis).quick)
	case "restart":
		return []action{after("", "Redis restarted, empty", (*Redis).restart)}
	default: // flush
		return []action{after("", "all of Redis deleted, as FLUSHALL does", (*Redis).flush)}
	}
	end.at, end.kind = end.at+f.For, "start"
	return []action{begin, end}
}

// redisIs notes how Redis is from then on.
func (s *seen) redisIs(at time.Duration, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redis = extend(s.redis, at.Seconds(), state)
}
