package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"captchagate/control"
	"captchagate/fleet"
)

const (
	// troubleAfter is how long a trouble lasts before it is told, and wellAfter how long
	// it must be away before its end is.
	troubleAfter = 30 * time.Second
	wellAfter    = time.Minute
	// troubleClaim is for how long an instance has told of a trouble without saying so again.
	troubleClaim = 2 * time.Minute
)

// Kinds of trouble, in the order in which they are shown.
const (
	troubleRedis    = "Redis"
	troubleInstance = "instance"
	troubleConfig   = "configuration"
	troubleSecret   = "secret"
	troubleSwitch   = "switch"
)

var troubleKinds = []string{troubleRedis, troubleInstance, troubleConfig, troubleSecret, troubleSwitch}

// eachTells are the troubles of which each instance tells by itself, since what stands in Redis
// may be nothing or made up.
var eachTells = []string{troubleRedis, troubleSwitch}

// A trouble is something that comes and goes, and is told as a state.
type trouble struct {
	after time.Duration // for how long it must have lasted to be told
	text  string        // what it is now; "" for nothing
	since time.Time     // that is so
	told  bool
}

// observe notes how it stands, and reports whether that is to be told: it has lasted.
func (t *trouble) observe(now time.Time, text string) bool {
	if (t.text == "") != (text == "") || t.since.IsZero() {
		t.since = now
	}
	t.text = text
	lasts := t.after
	if text == "" {
		lasts = wellAfter
	}
	if t.told == (text != "") || now.Sub(t.since) < lasts {
		return false
	}
	t.told = text != ""
	return true
}

// A claimer has one of the instances do what all would.
type claimer interface {
	Claim(ctx context.Context, c fleet.Claim) (fleet.Held, error)
}

// troubles are those of a fleet. One of its instances tells of each in log and audit, but of
// those that eachTells names each for itself.
type troubles struct {
	board  claimer
	id     string
	tell   func(kind, text string, over bool)
	silent func(kind, text string, over bool) // for what the others are not told

	mu   sync.Mutex
	are  map[string]*trouble
	last time.Time // when claims were renewed
}

func newTroubles(board claimer, id string) *troubles {
	t := &troubles{board: board, id: id, are: map[string]*trouble{}}
	for _, kind := range troubleKinds {
		t.are[kind] = &trouble{after: troubleAfter}
	}
	t.are[troubleSwitch].after = 0 // it has lasted, or should not be at all
	return t
}

// observe notes how all of them stand.
func (t *troubles) observe(ctx context.Context, now map[string]string) {
	renews := time.Since(t.last) >= troubleAfter
	if renews {
		t.last = time.Now()
	}
	for _, kind := range troubleKinds {
		text := now[kind]
		t.mu.Lock()
		changed := t.are[kind].observe(time.Now(), text)
		stands := t.are[kind].told
		t.mu.Unlock()
		switch {
		case changed && slices.Contains(eachTells, kind):
			t.silent(kind, text, text == "")
		case changed && t.first(ctx, kind, text == ""):
			t.tell(kind, text, text == "")
		case stands && renews && !slices.Contains(eachTells, kind):
			t.first(ctx, kind, false)
		}
	}
}

// first reports whether no other instance tells of it. Without an answer it does.
func (t *troubles) first(ctx context.Context, kind string, over bool) bool {
	what := kind
	if over {
		what += " over"
	}
	got, err := t.board.Claim(ctx, fleet.Claim{Key: "trouble", Own: "fleet", Question: "trouble:" + what, ID: t.id, Life: troubleClaim, Kept: troubleClaim})
	return err != nil || got.Standing == fleet.Yours
}

// texts are what operators see of those that stand now.
func (t *troubles) texts() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	texts := []string{}
	for _, kind := range troubleKinds {
		if text := t.are[kind].text; text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// since is since when a trouble stands; nil if it does not, or was not noticed yet.
func (t *troubles) since(kind string) *time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if is := t.are[kind]; is.text != "" {
		return new(is.since)
	}
	return nil
}

// observeTroubles looks at what is wrong with the fleet.
func (g *group) observeTroubles(ctx context.Context) {
	v, up := g.member.Status()
	now := map[string]string{}
	switch {
	case !up:
		now[troubleRedis] = "Redis does not answer: each instance goes on by itself, with its part of the budgets"
	default:
		g.mu.Lock()
		now[troubleConfig], now[troubleSecret], now[troubleSwitch] = unlike(g.seen), strangers(g.others), g.oddSwitch()
		g.mu.Unlock()
		if v.Ill > 0 && v.Ill < v.Voting && v.Circuit.State == fleet.Closed {
			now[troubleInstance] = fmt.Sprintf("%d of %d instances cannot reach the API while the others can: look at what is different on its way from there (network, DNS, proxy)", v.Ill, v.Alive)
		}
	}
	g.troubles.observe(ctx, now)
}

// strangers says that there are fleets with another secret.
func strangers(fleets int) string {
	if fleets == 0 {
		return ""
	}
	return fmt.Sprintf("instances with another store.secret use the same Redis under the same store.prefix, and share nothing with this one (%d other): give all the same secret, or those of another fleet another prefix", fleets)
}

// unlike says which sections the instances do not all have alike.
func unlike(seen []fleet.Seen) string {
	digests := map[string]map[string]bool{}
	for _, s := range seen {
		for section, digest := range readAbout(s).Digests {
			if digests[section] == nil {
				digests[section] = map[string]bool{}
			}
			digests[section][digest] = true
		}
	}
	var text []string
	for _, section := range slices.Sorted(maps.Keys(digests)) {
		if n := len(digests[section]); n > 1 {
			text = append(text, fmt.Sprintf("%d different %s among %d instances", n, section, len(seen)))
		}
	}
	if len(text) == 0 {
		return ""
	}
	return "the instances are not configured alike: " + strings.Join(text, "; ")
}

// tellTroubles enters in log and audit what is wrong with the fleet.
func (g *group) tellTroubles(c *control.Control) {
	enter := func(audit func(kind control.EntryKind, actor, summary string, detail any)) func(kind, text string, over bool) {
		return func(kind, text string, over bool) {
			if over {
				text = "the fleet's trouble is over: " + kind
				g.log.Info(text, "about", "fleet "+kind)
			} else {
				g.log.Warn("the fleet is in trouble: "+text, "about", "fleet "+kind)
				text = "trouble in the fleet: " + text
			}
			audit(control.KindTransition, actor, text, map[string]any{"alarm": "fleet_trouble", "trouble": kind, "over": over})
		}
	}
	g.troubles.tell, g.troubles.silent = enter(c.AuditForAll), enter(c.Audit)
}
