package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Somebody keeps what an instance wrote to Redis, "degraded" until changed, and writes it
// there again once that mode has ended, as another version, thrice a second: no instance takes
// it, also one that comes with an empty store; a switch that is thrown meanwhile reaches all;
// it is told of in status, log and audit, and nothing of it is left after that (F1).
func TestFleet_AnOldSwitchDoesNotComeBackFromRedis(t *testing.T) {
	s := inStreet(t, 3, nil)
	s.forces("degraded")
	key := s.fleetKey()
	s.redis.Do(`EVAL "redis.call('SET', KEYS[1] .. 'kept', redis.call('HGET', KEYS[1], 'vbody'))" 1 ` + key)
	s.houses[1].throws(`{"mode":"auto","reason":"over"}`)
	s.until("the mode has ended", func() bool { return s.allForce("auto") })
	ctx, stop := context.WithCancel(t.Context())
	var forger sync.WaitGroup
	forger.Go(func() {
		for ctx.Err() == nil {
			s.redis.Do(fmt.Sprintf(`EVAL "redis.call('HSET', KEYS[1], 'version', %d, 'vid', 'ff', 'vbody', redis.call('GET', KEYS[1] .. 'kept'))" 1 %s`, time.Now().Add(50*time.Second).UnixMilli(), key))
			select {
			case <-ctx.Done():
			case <-time.After(time.Second / 3):
			}
		}
	})
	s.opens(3, nil)
	tells := func(h *house) bool {
		return strings.Contains(fmt.Sprint(h.status().Fleet.Trouble), "the switch in Redis was not as the instances left it") &&
			strings.Contains(h.log.String(), "the fleet is in trouble: the switch in Redis") && strings.Contains(h.audit(), "trouble in the fleet: the switch in Redis")
	}
	s.until("it is told", func() bool { return slices.ContainsFunc(s.houses, tells) })
	for i, h := range s.houses {
		if a := h.asksDisaster("comment", forged(time.Now())); h.status().Override != nil || a.Decision == "allow" {
			t.Errorf("instance %d took up an old mode: %+v, and answers %+v", i, h.status().Override, a)
		}
	}
	s.forces("normal")
	stop()
	forger.Wait()
	s.until("Redis holds what all do", func() bool { return !strings.Contains(s.redis.Do("HGET "+key+" vid"), "ff") })
	s.forces("degraded")
}

// allForce reports whether all go by a mode.
func (s *street) allForce(mode string) bool {
	for _, h := range s.houses {
		is := "auto"
		if o := h.status().Override; o != nil {
			is = o.Mode.String()
		}
		if is != mode {
			return false
		}
	}
	return true
}

// Who can write to Redis, and has not the secret, moves nothing.
func TestFleet_TakesNoForgedSwitch(t *testing.T) {
	s := inStreet(t, 1, nil)
	name := s.fleetKey()
	s.redis.Do("HSET " + name + " version 99 vid zz vbody forged-body-that-is-longer-than-a-mac-of-thirty-two-bytes")
	s.until("the forged one is told of", func() bool {
		return strings.Contains(s.houses[0].log.String(), "it was not written by an instance with this store.secret")
	})
	if o := s.houses[0].status().Override; o != nil {
		t.Errorf("the override is %+v", o)
	}
}

// A version far ahead that somebody wrote who has not the secret holds up no switch (F1).
func TestFleet_AForgedVersionHoldsUpNoSwitch(t *testing.T) {
	s := inStreet(t, 2, nil)
	s.redis.Do("HSET " + s.fleetKey() + " version 9007199254740991 vid zz vbody forged")
	s.until("all have heard", func() bool {
		return !strings.Contains(s.redis.Do("HGET "+s.fleetKey()+" version"), "9007199254740991")
	})
	s.forces("degraded")
}

// fleetKey is the name of the fleet's hash.
func (s *street) fleetKey() string {
	for line := range strings.FieldsSeq(s.redis.Do("KEYS *")) {
		if strings.HasSuffix(line, ":fleet") {
			return line
		}
	}
	s.Fatal("there is no fleet")
	return ""
}
