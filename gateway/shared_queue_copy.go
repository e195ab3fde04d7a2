package gateway

import (
	"context"

	"captchagate/fleet"
	"captchagate/reverify"
)

// copyAll brings the copy up to date. What fails is tried again.
func (k *keeper) copyAll(ctx context.Context) error {
	if gen := k.gen(); gen != 0 && (gen != k.last || k.isLost()) {
		if err := k.begin(ctx); err != nil {
			return err
		}
		k.last = gen
	}
	for {
		some := k.unmark(keepAtOnce)
		if len(some) == 0 {
			k.lose(k.without && len(k.kept) <= k.most/2) // there is room again
			return nil
		}
		if err := k.copy(ctx, some); err != nil {
			k.mark(some)
			return err
		}
	}
}

// lose has a whole copy made, where it is so.
func (k *keeper) lose(so bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lost = k.lost || so
}

func (k *keeper) isLost() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost
}

// begin begins a whole copy: of what the board has, and of as much more as it may have.
func (k *keeper) begin(ctx context.Context) error {
	k.mu.Lock()
	k.lost = false // what is lost from here on is for the next one
	k.mu.Unlock()
	names, err := k.board.Names(ctx, k.owner)
	if err == nil {
		var places []string
		places, err = k.places(ctx)
		k.mark(names)
		k.mark(places[:min(len(places), k.most)])
		if len(places) > k.most {
			k.tooMany()
		} else {
			k.without = false
		}
	}
	if err != nil {
		k.lose(true)
		return err
	}
	clear(k.kept)
	for _, name := range names {
		k.kept[name] = true
	}
	return nil
}

func (k *keeper) mark(places []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, place := range places {
		k.dirty[place] = true
	}
}

func (k *keeper) unmark(most int) (places []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for place := range k.dirty {
		if len(places) == most {
			break
		}
		delete(k.dirty, place)
		places = append(places, place)
	}
	return places
}

// copy brings records to the board as they are here, unless it has enough of them; those
// that are not here go.
func (k *keeper) copy(ctx context.Context, places []string) error {
	records := make([]fleet.Record, 0, len(places))
	more := len(k.kept)
	for _, place := range places {
		bucket, key := reverify.PlaceOf(place)
		value, ok, err := k.Get(ctx, bucket, key)
		if ok { // what nobody can read is of no use there
			value, ok = k.queue.Portable(bucket, key, value)
		}
		switch {
		case err != nil:
			return err
		case !ok:
			value = nil
		case !k.kept[place] && more >= k.most:
			k.tooMany()
			continue
		case !k.kept[place]:
			more++
		}
		records = append(records, fleet.Record{Name: place, Value: value})
	}
	if err := k.board.Keep(ctx, k.owner, records); err != nil {
		return err
	}
	for _, r := range records {
		if r.Value != nil {
			k.kept[r.Name] = true
		} else {
			delete(k.kept, r.Name)
		}
	}
	return nil
}

// tooMany tells, once, that the board does not have all.
func (k *keeper) tooMany() {
	if !k.told {
		k.log.Warn("more waits to be asked again than the fleet keeps copies of: if this instance dies nobody goes on with the rest before it is back", "copies", k.most)
	}
	k.without, k.told = true, true
}
