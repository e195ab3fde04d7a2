package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"captchagate/fleet"
	"captchagate/store"
)

//go:embed script/beat.lua
var beatScript string

// Board is a fleet.Board on a Redis. It never waits longer than its caller says, and
// makes no connection before its first call.
type Board struct {
	beats   goredis.UniversalClient // nothing else may take its connection
	asks    *asker                  // what requests ask
	others  *others                 // what can wait
	names   names
	tag     string // of the fleet
	fleets  string // where all under the prefix are
	metrics *metrics

	beatLua, takeLua, releaseLua, claimLua, answerLua, tendLua, doneLua *goredis.Script
}

var _ fleet.Board = (*Board)(nil)

// New returns the board of the fleet that tag names: all its keys begin with prefix
// and {tag}, so that a Cluster keeps them in one slot. Who asks waits for it patience times
// as long as usual; 0 is 1.
func New(at store.RedisAddress, prefix, tag string, patience int, log *slog.Logger, reg prometheus.Registerer) *Board {
	routeLog(log)
	m, times := newMetrics(reg), max(patience, 1)
	return &Board{
		beats: newClient(at, 1, times), asks: newAsker(newClient(at, connections, times), times, m), others: newOthers(newClient(at, 1, times)),
		names: names(prefix + "{" + tag + "}:"), tag: tag, fleets: prefix + fleetsKey, metrics: m,
		beatLua: goredis.NewScript(beatScript), takeLua: goredis.NewScript(takeScript), releaseLua: goredis.NewScript(releaseScript),
		claimLua: goredis.NewScript(claimScript), answerLua: goredis.NewScript(answerScript),
		tendLua: goredis.NewScript(tendScript), doneLua: goredis.NewScript(doneScript),
	}
}

// names make keys.
type names string

func (n names) of(name string) string { return string(n) + name }

var newsNames = [fleet.Kinds]string{fleet.Audit: "audit", fleet.Let: "let", fleet.Refuted: "refuted"}

// Beat is the fleet.Board's.
func (b *Board) Beat(ctx context.Context, r fleet.Report) (fleet.View, error) {
	keys := []string{b.names.of("fleet"), b.names.of("seen"), b.names.of("voting"), b.names.of("ill"), b.names.of("about")}
	for _, name := range newsNames {
		keys = append(keys, b.names.of(name))
	}
	began := time.Now()
	reply, err := b.beatLua.Run(ctx, b.beats, keys, arguments(r)...).Slice()
	var v fleet.View
	if err == nil {
		v, err = view(reply, r)
	}
	took := time.Since(began)
	b.metrics.called("beat", took, err)
	b.asks.gate.beaten(took, err)
	if err != nil {
		lookAnew(ctx, b.beats)
		lookAnew(ctx, b.asks.client)
		lookAnew(ctx, b.others.client)
		return fleet.View{}, fmt.Errorf("redis: the beat failed: %w", reason(err))
	}
	return v, nil
}

// Members is the fleet.Board's.
func (b *Board) Members(ctx context.Context) ([]fleet.Seen, error) {
	var about *goredis.MapStringStringCmd
	var seen *goredis.ZSliceCmd
	var now *goredis.TimeCmd
	err := b.others.call(ctx, func(client goredis.UniversalClient) error {
		_, err := client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			now = p.Time(ctx)
			seen = p.ZRangeWithScores(ctx, b.names.of("seen"), 0, -1)
			about = p.HGetAll(ctx, b.names.of("about"))
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("redis: the instances cannot be read: %w", reason(err))
	}
	members := make([]fleet.Seen, 0, len(seen.Val()))
	for _, z := range seen.Val() {
		id, _ := z.Member.(string)
		age := now.Val().Sub(time.UnixMilli(int64(z.Score)))
		members = append(members, fleet.Seen{ID: id, About: []byte(about.Val()[id]), Age: max(age, 0)})
	}
	return members, nil
}

// Close closes the connections.
func (b *Board) Close() error {
	return errors.Join(b.beats.Close(), b.asks.client.Close(), b.others.client.Close())
}

// arguments are what the script takes.
func arguments(r fleet.Report) []any {
	flags := make([]byte, 0, 5)
	for _, yes := range []bool{r.Voting, r.Ill, r.Closed, r.Wants, r.Leaves} {
		if yes {
			flags = append(flags, '1')
		} else {
			flags = append(flags, '0')
		}
	}
	token := ""
	if r.Ended.Made {
		token = strconv.FormatUint(r.Ended.Token, 10)
	}
	k, rules := r.Known, r.Rules
	args := []any{
		r.ID, r.About, flags, r.Epoch, token, int(r.Ended.Finding),
		k.Epoch, int(k.State), k.Since.Milliseconds(), k.Outage.Milliseconds(), r.Gen,
		r.Switch.Version, r.Switch.ID, r.Switch.Body,
		rules.Window.Milliseconds(), rules.Lease.Milliseconds(), rules.Handover.Milliseconds(), rules.Candidacy.Milliseconds(),
		rules.Spacing.Milliseconds(), rules.Initial.Milliseconds(), rules.Max.Milliseconds(), rules.Successes,
		time.Minute.Milliseconds(),
	}
	for kind := range fleet.Kind(fleet.Kinds) {
		life, most := kind.Limits()
		n := r.News[kind]
		args = append(args, n.Since, life.Milliseconds(), most, fleet.MostNews, len(n.Entries))
		for _, e := range n.Entries {
			args = append(args, e)
		}
	}
	return append(args, r.Void.Version, r.Void.ID) // last: the script of the last release does not look there
}

// view reads what the script returned to the reporter of r.
func view(reply []any, r fleet.Report) (v fleet.View, err error) {
	in := reader{reply: reply}
	v.Now = time.UnixMilli(in.number())
	v.Gen = in.number()
	v.Alive, v.Voting, v.Ill = int(in.number()), int(in.number()), int(in.number())
	v.Circuit.Epoch, v.Circuit.State = uint64(in.number()), fleet.State(in.number())
	v.Circuit.Since, v.Circuit.Outage = in.millis(), in.millis()
	v.Circuit.Answered = int(in.number())
	v.OpenIll, v.OpenOf = int(in.number()), int(in.number())
	v.Token, v.Due, v.Wait = uint64(in.number()), in.number() == 1, in.millis()
	v.Switch = fleet.Register{Version: uint64(in.number()), ID: in.text()}
	if body := in.text(); body != "" {
		v.Switch.Body = []byte(body)
	}
	if v.Wait < 0 {
		v.Wait = -1
	}
	for kind := range v.News {
		v.News[kind] = in.news(r.News[kind].Since)
	}
	if v.Circuit.State < fleet.Closed || v.Circuit.State > fleet.Recovering {
		in.wrong = true
	}
	if in.wrong {
		return fleet.View{}, errWritten
	}
	return v, nil
}

var errWritten = errors.New("what is there was not written by this version of the gateway")

// A reader takes a reply apart, and notes if it is not as it should be.
type reader struct {
	reply []any
	wrong bool
}

func (in *reader) next() (value any) {
	if len(in.reply) == 0 {
		in.wrong = true
		return nil
	}
	value, in.reply = in.reply[0], in.reply[1:]
	return value
}

func (in *reader) number() int64 {
	n, ok := in.next().(int64)
	in.wrong = in.wrong || !ok
	return n
}

func (in *reader) millis() time.Duration { return time.Duration(in.number()) * time.Millisecond }

func (in *reader) text() string {
	s, ok := in.next().(string)
	in.wrong = in.wrong || !ok
	return s
}

// news are pairs of an entry and its mark.
func (in *reader) news(since int64) fleet.News {
	pairs, ok := in.next().([]any)
	in.wrong = in.wrong || !ok || len(pairs)%2 != 0
	n := fleet.News{Since: since}
	for pair := (reader{reply: pairs}); len(pair.reply) > 0; {
		n.Entries = append(n.Entries, []byte(pair.text()))
		mark, err := strconv.ParseFloat(pair.text(), 64)
		in.wrong = in.wrong || pair.wrong || err != nil
		n.Since = int64(mark)
	}
	return n
}

// reason is err with what to do about it, and ErrAway if nothing came.
func reason(err error) error {
	if what := remedy(err); what != "" {
		err = fmt.Errorf("%w: %s", err, what)
	}
	if refused := goredis.Error(nil); errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}
