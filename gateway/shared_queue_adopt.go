package gateway

import (
	"context"
	"errors"
	"slices"

	"captchagate/reverify"
)

// forgetTaken drops what others have adopted, and what the board has that is done here.
func (k *keeper) forgetTaken(ctx context.Context) error {
	places, err := k.places(ctx)
	if err != nil {
		return err
	}
	forgotten := 0
	for some := range slices.Chunk(places, keepAtOnce) {
		taken, err := k.board.Taken(ctx, k.owner, some)
		if err != nil {
			return err
		}
		for i, place := range some {
			if !taken[i] {
				continue
			}
			forgotten++
			bucket, key := reverify.PlaceOf(place)
			if err := k.queue.Forget(ctx, bucket, key); err != nil {
				return err
			}
		}
	}
	if forgotten > 0 {
		k.log.Info("another instance went on with what this one had to ask again while it was away", "records", forgotten)
	}
	names, err := k.board.Names(ctx, k.owner)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, place := range names {
		k.dirty[place] = true // and goes if it is not here
	}
	return err
}

// adopt goes on with what another instance left. What fails is tried again.
func (k *keeper) adopt(ctx context.Context, orphan string) {
	adopted := 0
	for _, bucket := range reverify.Shared {
		for more := true; more; {
			n, err := k.adoptSome(ctx, orphan, bucket)
			if err != nil {
				k.log.Warn("what another instance left cannot be taken over yet", "error", err)
				return
			}
			adopted += n
			more = n > 0
		}
	}
	_ = k.board.Done(ctx, orphan) // or it ends by itself
	if adopted > 0 {
		k.log.Warn("an instance of the fleet is gone; this one goes on with what it had to ask again and to report", "records", adopted)
	}
}

var errNoRoom = errors.New("this one has as many copies on the board as it may; another one can go on with the rest")

// adoptSome takes over some records of a bucket, as many as it may have copies of, and
// returns how many; none are left if that is 0.
func (k *keeper) adoptSome(ctx context.Context, orphan, bucket string) (n int, err error) {
	left, err := k.board.Left(ctx, orphan, reverify.Place(bucket, ""))
	if err != nil || len(left) == 0 {
		return 0, err
	}
	left = left[:min(len(left), k.room())]
	if len(left) == 0 {
		return 0, errNoRoom
	}
	names := make([]string, 0, len(left))
	for _, r := range left {
		_, key := reverify.PlaceOf(r.Name)
		if err := k.queue.Adopt(ctx, bucket, key, r.Value); err != nil {
			return 0, err
		}
		names = append(names, r.Name)
	}
	if err := k.copyAll(ctx); err != nil { // or nobody has them if this one dies
		return 0, err
	}
	if err := k.board.Took(ctx, orphan, names); err != nil {
		return 0, err
	}
	t, err := k.board.Tend(ctx, k.owner, true) // the adoption goes on
	if err == nil && t.Orphan != orphan {
		err = errors.New("another one is adopting it")
	}
	return len(names), err
}
