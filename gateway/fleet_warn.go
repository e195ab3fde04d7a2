package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"captchagate/fleet"
)

const (
	// lookEvery is how often the instances are compared; more seldom if they are many.
	lookEvery = 30 * time.Second
	// mostLag is how far clocks may be apart before it is told.
	mostLag = 2 * time.Second
)

// look warns of a Redis that is not as it should be and of instances that differ, and has
// troubles of the fleet told, until ctx ends.
func (g *group) look(ctx context.Context) {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	told, alive, compared, joined := false, 0, time.Time{}, time.Time{}
	for {
		if v, up := g.member.Status(); up {
			if !told {
				told = g.lookAtRedis(ctx)
			}
			many := time.Duration(v.Alive) * 100 * time.Millisecond
			g.members(max(mostSilent, many))
			every := max(lookEvery, many)
			if v.Alive != alive || time.Since(compared) > every {
				g.compare()
				alive, compared = v.Alive, time.Now()
			}
			if time.Since(joined) > lookEvery {
				g.meetOthers(ctx)
				joined = time.Now()
			}
		}
		g.observeTroubles(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// meetOthers has fleets with another secret see this one, and looks whether there are any.
func (g *group) meetOthers(ctx context.Context) {
	if g.board.Join(ctx) != nil {
		return // the next time
	}
	if n, err := g.board.OtherFleets(ctx); err == nil {
		g.mu.Lock()
		g.others = n
		g.mu.Unlock()
	}
}

// lookAtRedis warns of a server and of a clock, and reports whether it could look.
func (g *group) lookAtRedis(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, odd, err := g.board.Look(ctx)
	if err != nil {
		return false
	}
	for _, one := range odd {
		g.log.Warn("store.redis: " + one)
	}
	if offset, _ := g.member.Offset(); offset.Abs() > mostLag {
		g.log.Warn("the clock of this host and that of Redis are apart; no decision depends on it, but times in logs do: set the clocks by NTP", "apart", offset.Abs().String())
	}
	return true
}

// compare warns of instances whose configuration differs from this one's.
func (g *group) compare() {
	seen, _ := g.members(0)
	odd := differences(seen, g.digests)
	g.mu.Lock()
	was := g.odd
	g.odd = odd
	g.mu.Unlock()
	switch {
	case odd != "" && odd != was:
		g.log.Warn("the instances of the fleet are not configured alike: " + odd)
	case odd == "" && was != "":
		g.log.Info("the instances of the fleet are configured alike again")
	}
}

// differences says of how many instances which sections are others than ours.
func differences(seen []fleet.Seen, ours map[string]string) string {
	others := map[string]int{}
	for _, s := range seen {
		for section, digest := range readAbout(s).Digests { // another version's may have none
			if own, known := ours[section]; known && own != digest {
				others[section]++
			}
		}
	}
	var text []string
	for _, section := range slices.Sorted(maps.Keys(others)) {
		text = append(text, fmt.Sprintf("%d of %d instances have another %s", others[section], len(seen), section))
	}
	return strings.Join(text, "; ")
}
