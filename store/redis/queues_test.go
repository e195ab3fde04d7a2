package redis_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"captchagate/fleet"
	"captchagate/store/redis/redistest"
)

// The queues on Redis and those in memory hold the same, whatever owners bring and
// adopters take, in any order.
func TestBoard_KeepsQueuesAsTheOneInMemory(t *testing.T) {
	s := redistest.Start(t)
	b, m := open(t, s), fleet.NewMemory()
	opened(t, b)
	r := rand.New(rand.NewPCG(4, 1))
	pick := func() (owner string, names []string) {
		for range 1 + r.IntN(5) {
			names = append(names, fmt.Sprint([]string{"entries", "batches"}[r.IntN(2)], "/", r.IntN(60)))
		}
		return string(rune('a' + r.IntN(3))), names
	}
	byName := func(x, y fleet.Record) int { return cmp.Compare(x.Name, y.Name) }
	for i := range 600 {
		owner, names := pick()
		var got, want any
		var err error
		switch r.IntN(5) {
		case 0, 1:
			var records []fleet.Record
			for _, name := range names {
				records = append(records, fleet.Record{Name: name, Value: bytes.Repeat([]byte{byte(i), 0}, 50)})
			}
			if r.IntN(3) == 0 {
				records[0].Value = nil
			}
			err = b.Keep(t.Context(), owner, records)
			_ = m.Keep(t.Context(), owner, records)
		case 2:
			err = b.Took(t.Context(), owner, names)
			_ = m.Took(t.Context(), owner, names)
		case 3:
			got, err = b.Taken(t.Context(), owner, names)
			want, _ = m.Taken(t.Context(), owner, names)
		default:
			left, failed := b.Left(t.Context(), owner, "entries/")
			there, _ := m.Left(t.Context(), owner, "entries/")
			slices.SortFunc(left, byName)
			slices.SortFunc(there, byName)
			all, failed2 := b.Names(t.Context(), owner)
			slices.Sort(all)
			known, _ := m.Names(t.Context(), owner)
			got, want, err = fmt.Sprint(left, all), fmt.Sprint(there, known), cmp.Or(failed, failed2)
		}
		if err != nil { // a busy machine: what came of it nobody knows
			opened(t, b)
			s.Do("FLUSHALL")
			m.Flush()
			opened(t, b)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: Redis has %v, memory %v", i, got, want)
		}
	}
}

// A queue is remembered as long as it was said to be at the last time, and holds what was
// brought for however long: service levels are kept 15 months, what is asked again a day.
func TestBoard_KeepsAQueueForAsLongAsIsSaid(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	opened(t, b)
	const months = 15 * 31 * 24 * time.Hour
	record := func(name string) []fleet.Record { return []fleet.Record{{Name: name, Value: []byte(name)}} }
	lives := func(owner string) time.Duration { // Redis answers on the wire, as in ":3600000"
		name := regexp.MustCompile(`\S+queue:` + owner).FindString(s.Do("KEYS *queue:" + owner))
		ms, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(s.Do("PTTL "+name)), ":"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	keepsFor := func(owner, name string, life time.Duration) {
		t.Helper()
		if err := b.KeepFor(t.Context(), owner, record(name), life); err != nil {
			t.Fatal(err)
		}
		if left := lives(owner); left > life || left < life-time.Minute {
			t.Errorf("the queue of %s lives for %v, want %v", owner, left, life)
		}
	}
	keepsFor("levels", "one", time.Hour)
	keepsFor("levels", "other", months)
	keepsFor("entries", "one", fleet.QueueLife)
	if all, err := b.All(t.Context(), "levels"); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	keepsFor("short", "one", time.Second)
	for deadline := time.Now().Add(time.Minute); ; {
		if all, err := b.All(t.Context(), "short"); err == nil && len(all) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a queue outlives its time")
		}
		<-time.After(50 * time.Millisecond)
	}
}

// The queue of an owner who is silent is adopted by one instance, which does not lose it
// while it goes on, and by another one if it does not.
func TestBoard_GivesAnOrphanToOne(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	silent := time.Duration(0)
	tend := func(owner string, adopts bool) fleet.Tending {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; {
			got, err := b.Tend(t.Context(), owner, adopts)
			if err == nil {
				silent, got.Silent = got.Silent, 0
				return got
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	expect := func(what string, got, want fleet.Tending) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	silence := func(owner string) { s.Do("ZADD test:{tag}:owners 1000 " + owner) }
	expect("the first", tend("dead", true), fleet.Tending{})
	silence("dead")
	expect("one that may not", tend("a", false), fleet.Tending{})
	expect("one that may", tend("a", true), fleet.Tending{Orphan: "dead"})
	expect("another", tend("b", true), fleet.Tending{})
	expect("the same again", tend("a", true), fleet.Tending{Orphan: "dead"})
	expect("the dead one is back", tend("dead", false), fleet.Tending{Adopted: true})
	if silent < 24*time.Hour { // since 1970
		t.Errorf("it was silent for %v", silent)
	}
	_ = b.Done(t.Context(), "dead")
	expect("that is over", tend("dead", false), fleet.Tending{})
	silence("dead")
	expect("it is silent again", tend("b", true), fleet.Tending{Orphan: "dead"})
	s.Do("HSET test:{tag}:adoptions dead b:1000") // b does not go on
	expect("the next", tend("a", true), fleet.Tending{Orphan: "dead"})
	_ = b.Done(t.Context(), "dead")
	expect("nobody is left", tend("b", true), fleet.Tending{})
	silence("y")
	expect("an orphan", tend("b", true), fleet.Tending{Orphan: "y"})
	silence("x")
	expect("that goes on beside one that sorts first", tend("b", true), fleet.Tending{Orphan: "y"})
	expect("which is another's", tend("c", true), fleet.Tending{Orphan: "x"})
	expect("an orphan that is back", tend("y", false), fleet.Tending{Adopted: true})
	expect("waits until it is over", tend("b", true), fleet.Tending{Orphan: "y"})
}

// A Redis whose memory is full of what owners keep still hears them, so that they take
// out what is done, and gives an orphan to one.
func TestBoard_TendsWhereMemoryIsFull(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	opened(t, b)
	s.Do("ZADD test:{tag}:owners 1000 dead")
	s.Do("CONFIG SET maxmemory-policy noeviction")
	s.Do("CONFIG SET maxmemory 1")
	if reply := s.Do("SET more 1"); !strings.HasPrefix(reply, "-OOM") {
		t.Fatalf("its memory is not full: %s", reply)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		got, err := b.Tend(t.Context(), "a", true)
		if err == nil {
			if got.Orphan != "dead" {
				t.Errorf("%+v", got)
			}
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// An adoption whose end lies further ahead than any instance writes is none: whoever wrote
// it would keep an owner from its queue, or others from adopting it.
func TestBoard_BelievesNoAdoptionWithoutEnd(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	opened(t, b)
	if _, err := b.Tend(t.Context(), "owner", false); err != nil {
		t.Fatal(err)
	}
	key := ""
	for line := range strings.FieldsSeq(s.Do("KEYS *")) {
		if strings.HasSuffix(line, ":owners") {
			key = strings.TrimSuffix(line, "owners") + "adoptions"
		}
	}
	s.Do("HSET " + key + " owner stranger:9007199254740991")
	if got, err := b.Tend(t.Context(), "owner", false); err != nil || got.Adopted {
		t.Errorf("%+v %v", got, err)
	}
}
