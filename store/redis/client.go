// Package redis lets a fleet share what it must through a Redis: the fleet's Board,
// behind a gate that keeps requests off a Redis that does not answer.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"captchagate/store"
)

const (
	// patience usually bounds connecting, writing and reading. What a call may take is
	// its context's to say.
	patience = 200 * time.Millisecond
	// pool is how many connections the library counts with: it makes none for a
	// second once as many tries have failed as this.
	pool = 1 << 16
)

// ErrAway says that Redis does not answer.
var ErrAway = errors.New("redis: does not answer")

// ErrShut is the ErrAway of a request that was not made, because those before it, or a
// beat, had no answer.
var ErrShut = fmt.Errorf("%w, and is not asked", ErrAway)

// newClient returns a client that tries once: whoever waits for it is a user, or
// asks again by itself.
func newClient(at store.RedisAddress, most, times int) goredis.UniversalClient {
	patience := time.Duration(times) * patience
	o := &goredis.UniversalOptions{
		Addrs: slices.Clone(at.Hosts), MasterName: at.Master, IsClusterMode: at.Cluster, DB: at.Database,
		Username: at.Username, Password: at.Password,
		DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, PoolTimeout: patience,
		DialerRetries: 1, MaxRetries: -1, ContextTimeoutEnabled: true,
		PoolSize: pool, MaxActiveConns: most, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if at.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if at.Socket != "" {
		o.Addrs = []string{"localhost:6379"} // a name that nobody asks
	}
	o.Dialer = dialer(at, patience, o.TLSConfig)
	return goredis.NewUniversalClient(o)
}

// others make the calls for which nobody waits, one after the other over a connection of
// their own: the library refuses a second one at once while the first is under way, and
// a beat that was refused would keep requests off a Redis that is well.
type others struct {
	client goredis.UniversalClient
	turn   chan struct{}
}

func newOthers(client goredis.UniversalClient) *others {
	return &others{client: client, turn: make(chan struct{}, 1)}
}

// call calls once it is its turn; ctx bounds the waiting too.
func (o *others) call(ctx context.Context, call func(goredis.UniversalClient) error) error {
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-o.turn }()
	return call(o.client)
}

// lookAnew has a client of a Cluster look, without waiting, which node has what: by itself
// it does so once a minute, and asks one that is dead until then.
func lookAnew(ctx context.Context, client goredis.UniversalClient) {
	if cluster, ok := client.(*goredis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}

// A logger takes the library's lines, which concern us as much as a beat that
// failed: only who looks for the reason wants them.
type logger struct{ log *slog.Logger }

// Printf is the library's.
func (l logger) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "the Redis library says: "+fmt.Sprintf(format, args...))
}

// routeLog has the library's lines, which are the process's and not a client's, go to
// log.
func routeLog(log *slog.Logger) { goredis.SetLogger(logger{log}) }
