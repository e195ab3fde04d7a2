package simulator

import (
	"context"
	"time"
)

// Faults of time: hang and slow. Slow is no more than latency and the right
// answer, so only silence is told here.

func silence() reply { return reply{ending: unanswered, outcome: string(Hang)} }

// keepSilent returns when the client has gone away (false), or when the wait
// has lasted too long or the simulator shuts down (true): then the connection
// must be torn.
func keepSilent(ctx context.Context, closing <-chan struct{}) bool {
	limit := time.NewTimer(hangLimit)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-closing:
	case <-limit.C:
	}
	return true
}
