package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"captchagate/breaker"
	"captchagate/config"
	"captchagate/control"
	"captchagate/fleet"
	"captchagate/store/redis"
)

// A group is this instance's part in a fleet: what it shares with the others, and
// what they look like from here.
type group struct {
	member  *fleet.Member
	board   *redis.Board
	secret  fleet.Secret
	log     *slog.Logger
	breaker *breaker.Breaker
	held    func() (version uint64, name string) // the switch
	turns   chan breaker.Turn
	digests map[string]string // of sections that all should have alike
	ledger  *ledger
	notes   *fleet.Notes // of tickets, for all
	host    string
	listen  string // once it is open, before Run
	keeper  *keeper

	troubles  *troubles
	incidents *sharedIncidents
	levels    *sharedLevels

	mu   sync.Mutex
	seen []fleet.Seen // when it was last looked,
	at   time.Time    // then
	odd  string       // what was last warned of

	others int // fleets with another secret, when it was last looked
	behind laggards
}

// Instance is what the fleet calls this instance, another one after a restart; "" for one
// alone.
func (g *Gateway) Instance() string {
	if g.group == nil {
		return ""
	}
	return g.group.member.ID()
}

// newGroup joins a fleet, or returns nil if cfg knows none. Nothing waits for Redis:
// an instance starts and serves without it.
func newGroup(cfg config.Config, log *slog.Logger, reg prometheus.Registerer) (*group, error) {
	if len(cfg.Store.Redis) == 0 {
		return nil, nil //nolint:nilnil // a single instance has none
	}
	at, err := cfg.Store.Redis.Parse()
	if err != nil {
		return nil, fmt.Errorf("store.redis: %w", err)
	}
	secret := fleet.Secret(cfg.Store.Secret)
	p := cfg.Breaker.Probe
	g := &group{
		secret: secret, log: log, turns: make(chan breaker.Turn),
		board:   redis.New(at, cfg.Store.Prefix, secret.Tag(), cfg.Store.Patience, log, reg),
		digests: digests(cfg, secret.Key("digests")),
	}
	g.host, _ = os.Hostname() // without a name its listener tells which it is
	rules := fleet.UsualRules(p.Timeout, p.Spacing, cfg.Breaker.Open.Initial, cfg.Breaker.Open.Max, p.Successes)
	g.member = fleet.NewMember(g.board, rules, log)
	g.member.Wait(cfg.Store.Patience)
	g.notes = fleet.NewNotes(g.board, g.member.ID(), g.member.Gen)
	g.troubles = newTroubles(g.board, g.member.ID())
	g.registerMetrics(reg)
	return g, nil
}

func (g *group) registerMetrics(reg prometheus.Registerer) {
	with := promauto.With(reg)
	gauge := func(name, help string, labels prometheus.Labels, of func(v fleet.View, up bool) float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 { return of(g.member.Status()) })
	}
	const help = "Instances of the fleet, as last heard."
	gauge("captchagate_fleet_instances", help, prometheus.Labels{"view": "alive"}, func(v fleet.View, _ bool) float64 { return float64(v.Alive) })
	gauge("captchagate_fleet_instances", help, prometheus.Labels{"view": "ill"}, func(v fleet.View, _ bool) float64 { return float64(v.Ill) })
	gauge("captchagate_fleet_state", "State of the fleet's circuit: 0 closed, 1 half open, 2 open, 3 recovering.", nil,
		func(v fleet.View, _ bool) float64 { return float64(v.Circuit.State) })
	gauge("captchagate_redis_up", "1 while Redis answers.", nil, func(_ fleet.View, up bool) float64 { return truth(up) })
}

// serve says whom the group speaks for, if there is one.
func (g *group) serve(b *breaker.Breaker, c *control.Control) {
	if g == nil {
		return
	}
	g.breaker = b
	g.held = c.Held
	s := &fleetSwitch{control: c, member: g.member, log: g.log, mac: g.secret.Key("switch")}
	c.Share(s.publish, g.ahead)
	g.tellTroubles(c)
	g.member.Serve(g, s, [fleet.Kinds]fleet.Tail{fleet.Audit: s.merge, fleet.Let: g.learnLet, fleet.Refuted: g.learnRefuted})
}

// monthKeys are the keys of the log's "who": all instances name a user alike. They are
// nil for one instance, which has its own.
func (g *group) monthKeys() func(month string) []byte {
	if g == nil {
		return nil
	}
	return func(month string) []byte { return g.secret.Key("names " + month) }
}

// listens says where the instance listens, before Run.
func (g *group) listens(listen net.Addr) {
	if g != nil {
		g.listen = listen.String()
	}
}

// ahead is the board's clock less this host's; 0 while it is not known.
func (g *group) ahead() time.Duration {
	offset, _ := g.member.Offset()
	return offset
}

// Run is a part of the fleet until ctx ends.
func (g *group) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { g.member.Run(ctx) })
	wg.Go(func() { g.look(ctx) })
	wg.Go(func() { g.notes.Run(ctx) })
	wg.Go(func() { g.keeper.Run(ctx) })
	wg.Go(func() { g.incidents.Run(ctx) })
	wg.Go(func() { g.levels.Run(ctx) })
	for {
		select {
		case <-ctx.Done():
			wg.Wait()
			return
		case t := <-g.member.Turns():
			select {
			case g.turns <- turn{t}:
			case <-time.After(time.Second): // the prober is busy with what came before
			case <-ctx.Done():
			}
		}
	}
}

func (g *group) close() {
	if err := g.board.Close(); err != nil {
		g.log.Debug("the connections to Redis could not be closed", "error", err)
	}
}

// Report, Patience and Turns are the breaker's Peers.

// Report has the fleet learn of a change of the circuit at once.
func (g *group) Report(breaker.Transition) { g.member.Wake() }

// Patience is the member's.
func (g *group) Patience() int { return g.member.Patience() }

// Turns are the member's.
func (g *group) Turns() <-chan breaker.Turn { return g.turns }

// A turn is the fleet's in the breaker's words.
type turn struct{ *fleet.Turn }

var findings = map[breaker.Finding]fleet.Finding{
	breaker.Undecided: fleet.Undecided, breaker.Healthy: fleet.Healthy, breaker.Ill: fleet.Ill,
}

// End is the breaker's.
func (t turn) End(f breaker.Finding) { t.Turn.End(findings[f]) }

// Health, Follow and About are the fleet's Instance.

// Health is how this instance finds the API.
func (g *group) Health() fleet.Health {
	s := g.breaker.Status()
	return fleet.Health{
		Voting: s.Requests > 0,
		Open:   s.State == breaker.Open || s.State == breaker.HalfOpen,
		Closed: s.State == breaker.Closed,
	}
}

var states = map[fleet.State]breaker.State{
	fleet.Closed: breaker.Closed, fleet.HalfOpen: breaker.HalfOpen,
	fleet.Open: breaker.Open, fleet.Recovering: breaker.Recovering,
}

// Follow has the breaker do what the fleet decided.
func (g *group) Follow(c fleet.Circuit, why string) {
	g.breaker.Follow(states[c.State], c.Since, c.Outage, why)
}

// joinFleet makes the gateway's part in a fleet, if there is one, and returns the key
// by which users have their places: the fleet's, or one that is kept.
func (g *Gateway) joinFleet(ctx context.Context) (placement []byte, err error) {
	if g.group, err = newGroup(g.cfg, g.log, g.registry); err != nil {
		return nil, err
	}
	if g.group == nil {
		return keptKey(ctx, g.store, placementKey)
	}
	g.closers = append(g.closers, g.group.close)
	return g.group.secret.Key("placement"), nil
}

// peers are the breaker's.
func (g *Gateway) peers() breaker.Peers {
	if g.group != nil {
		return g.group
	}
	return breaker.Alone{}
}

// taker takes passes from budgets.
func (g *Gateway) taker() taker {
	if g.group != nil {
		return &together{board: g.group.board, member: g.group.member, refused: g.tickets.refused}
	}
	return alone{}
}
