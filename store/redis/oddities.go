package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// oldest is the oldest Redis whose commands the scripts use.
const oldest = "6.2"

// Look returns the server's version, and what is not right with it, each a sentence
// that says what to do.
func (b *Board) Look(ctx context.Context) (version string, odd []string, err error) {
	facts := map[string]string{}
	for _, section := range []string{"server", "memory"} {
		var text string
		err := b.others.call(ctx, func(client goredis.UniversalClient) (err error) {
			text, err = client.Info(ctx, section).Result()
			return err
		})
		if err != nil {
			return "", nil, fmt.Errorf("redis: cannot be asked about itself: %w", reason(err))
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				facts[name] = value
			}
		}
	}
	return facts["redis_version"], oddities(facts), nil
}

func oddities(facts map[string]string) (odd []string) {
	if policy := facts["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		odd = append(odd, fmt.Sprintf("maxmemory-policy is %s: what is evicted may be used twice; set it to noeviction, or give the fleet a Redis of its own", policy))
	}
	if version := facts["redis_version"]; older(version, oldest) {
		odd = append(odd, fmt.Sprintf("its version is %s; the gateway needs %s or later, or Valkey", version, oldest))
	}
	return odd
}

// older compares the first two numbers of versions.
func older(version, than string) bool {
	numbers := func(v string) (major, minor int) {
		parts := strings.SplitN(v, ".", 3)
		major, _ = strconv.Atoi(parts[0])
		if len(parts) > 1 {
			minor, _ = strconv.Atoi(parts[1])
		}
		return major, minor
	}
	major, minor := numbers(version)
	thanMajor, thanMinor := numbers(than)
	return major < thanMajor || major == thanMajor && minor < thanMinor
}
