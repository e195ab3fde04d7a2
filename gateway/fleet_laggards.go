package gateway

import (
	"fmt"
	"strings"
	"time"

	"captchagate/fleet"
)

const (
	// mostBehind is how long an instance may go by an older switch than others before that
	// is a trouble; a change is with all of them after a beat or two.
	mostBehind = 5 * time.Second
	// mostSilent is after what an instance is not counted: it may be gone.
	mostSilent = 2 * time.Second
	// meddledFor is how long it is told that somebody wrote the switch in Redis.
	meddledFor = time.Minute
)

// laggards are the instances that go by an older switch than others.
type laggards struct {
	due   fleet.Register // what all should go by, without its body
	since time.Time      // that is so
}

// observe returns how many of the instances have not gone by for long what others do. At is
// when they were seen, and held what they went by then.
func (l *laggards) observe(at time.Time, held []fleet.Register) (behind int) {
	newest := fleet.Register{}
	for _, h := range held {
		if h.Newer(newest) {
			newest = h
		}
		if l.due.Newer(h) {
			behind++
		}
	}
	if behind == 0 || l.due.Newer(newest) { // all have it, or who had it is gone
		l.due, l.since = newest, at
	}
	if at.Sub(l.since) < mostBehind {
		return 0
	}
	return behind
}

// heldBy are the switches that instances go by, as far as those tell.
func heldBy(seen []fleet.Seen) (held []fleet.Register) {
	for _, s := range seen {
		if a := readAbout(s); a.Switch != nil && s.Age <= mostSilent {
			held = append(held, fleet.Register{Version: a.Switch.Version, ID: a.Switch.Name})
		}
	}
	return held
}

// oddSwitch says what is wrong with the fleet's switch; g.mu is held.
func (g *group) oddSwitch() string {
	var text []string
	if at := g.member.Meddled(); !at.IsZero() && time.Since(at) < meddledFor {
		text = append(text, "the switch in Redis was not as the instances left it, and they did not take it: somebody else writes there. Look who can (ACL LIST, CLIENT LIST), and keep Redis in a network of its own")
	}
	held := heldBy(g.seen)
	if behind := g.behind.observe(g.at, held); behind > 0 {
		text = append(text, fmt.Sprintf("%d of %d instances go by an older switch than the others: throw it again, and look whether something keeps them from Redis, or writes there", behind, len(held)))
	}
	return strings.Join(text, "; ")
}
