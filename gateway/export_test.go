package gateway

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"captchagate/admin"
	"captchagate/captcha"
	"captchagate/control"
	"captchagate/fleet"
	"captchagate/once"
	"captchagate/policy"
	"captchagate/reverify"
	"captchagate/sla"
	"captchagate/store"
	"captchagate/watch"
)

// BreakStore takes the store away under a gateway that goes on.
func (g *Gateway) BreakStore() error { return g.store.Close() }

// Audits enters something in the audit of all instances.
func (g *Gateway) Audits(kind control.EntryKind, summary string, detail any) {
	g.control.AuditForAll(kind, actor, summary, detail)
}

// Follow has followed called as those are who act on the switch. It must be called before
// Start.
func (g *Gateway) Follow(followed func()) { g.control.Follow(followed) }

// FollowAudit has entered called with each entry of the audit. It must be called before
// Start.
func (g *Gateway) FollowAudit(entered func(control.Entry)) { g.control.FollowAudit(entered) }

// OpenNames opens what names users in the log, over a store of its own.
func OpenNames(ctx context.Context, s store.Store) (turn func(time.Time) error, who func(captcha.Ticket) string, all func(context.Context, netip.Addr, string) ([]admin.Name, error), err error) {
	n, err := newNames(ctx, s, nil, slog.New(slog.DiscardHandler))
	return func(now time.Time) error { return n.turn(ctx, now) }, n.Who, n.Names, err
}

// Folding is a logger that folds, as the gateway makes it, and what ends that.
func Folding(h slog.Handler) (log *slog.Logger, end func()) {
	f := newFolder(h)
	return slog.New(f), f.close
}

// OpenSharedAnswers are once's Others of an instance over a board in memory.
func OpenSharedAnswers(board answerBoard, id string, secret fleet.Secret, deadline time.Duration) (once.Others[policy.Decision], error) {
	return newSharedAnswers(board, id, secret, deadline, func() time.Duration { return time.Minute })
}

// QueueBoard is what a keeper needs.
type QueueBoard = queueBoard

// OpenKeeper is the store of an instance's queue, with a copy on a board. serve
// says whose it is; most is how much the copy holds, 0 as usual.
func OpenKeeper(ctx context.Context, s store.Store, board QueueBoard, most int, log *slog.Logger) (kept reverify.Store, serve func(*reverify.Queue), run func(context.Context), err error) {
	k, err := newKeeper(ctx, s, board, func() int64 { return 1 }, log)
	if err != nil {
		return nil, nil, nil, err
	}
	if most > 0 {
		k.most = most
	}
	return k, k.serve, k.Run, nil
}

// OpenTroubles observes the troubles of a fleet at one of its instances, over a board in
// memory.
func OpenTroubles(board *fleet.Memory, id string, tell func(kind, text string, over bool)) (observe func(map[string]string)) {
	t := newTroubles(board, id)
	t.tell, t.silent = tell, tell
	return func(now map[string]string) { t.observe(context.Background(), now) }
}

// OpenSharedIncidents has an instance know the others' incidents, over a board in memory.
// over is to be told of its own that ended.
func OpenSharedIncidents(board *fleet.Memory, owner string, incidents *watch.Incidents, up func() bool, counts func(string) watch.Counts, sumUp func(watch.Incident, bool)) (over func(watch.Incident), run func(context.Context)) {
	s := &sharedIncidents{
		board: board, owner: owner, key: mac("key"), incidents: incidents, counts: counts, sumUp: sumUp,
		log: slog.New(slog.DiscardHandler), ended: make(chan watch.Incident, 16), told: map[string]string{},
		fleet: func() (int64, int, time.Duration, bool) { return 1, 3, time.Second, up() },
	}
	return s.over, s.Run
}

// OpenSharedLevels has an instance know the service levels of others, over a board in
// memory, each time that it exchanges.
func OpenSharedLevels(board *fleet.Memory, owner string, levels *sla.Levels, gen func() int64, up func() bool) (exchange func()) {
	levels.Share()
	s := &sharedLevels{
		board: board, owner: owner, key: mac("key"), levels: levels, log: slog.New(slog.DiscardHandler), told: map[string]int64{},
		fleet: func() (int64, int, time.Duration, bool) { return gen(), 0, 0, up() },
	}
	return func() { s.exchange(context.Background()) }
}

// OpenSwitch joins a switch to a fleet as the gateway does, over a board in memory, for an
// instance without traffic.
func OpenSwitch(board *fleet.Memory, c *control.Control, secret fleet.Secret) *fleet.Member {
	log := slog.New(slog.DiscardHandler)
	m := fleet.NewMember(board, fleet.UsualRules(time.Second, 100*time.Millisecond, time.Second, 5*time.Second, 3), log)
	s := &fleetSwitch{control: c, member: m, log: log, mac: secret.Key("switch")}
	c.Share(s.publish, func() time.Duration { return 0 })
	m.Serve(still{}, s, [fleet.Kinds]fleet.Tail{fleet.Audit: s.merge})
	return m
}

type still struct{}

func (still) Health() fleet.Health         { return fleet.Health{Closed: true} }
func (still) Follow(fleet.Circuit, string) {}
func (still) About() []byte                { return nil }

// OpenLaggards observes which switches instances go by.
func OpenLaggards() (observe func(at time.Time, versions ...uint64) (behind int)) {
	l := &laggards{}
	return func(at time.Time, versions ...uint64) int {
		held := []fleet.Register{}
		for _, v := range versions {
			held = append(held, fleet.Register{Version: v})
		}
		return l.observe(at, held)
	}
}
