package redis_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"captchagate/fleet"
	"captchagate/store/redis/redistest"
)

// The scripts that share answers and their twin in Go agree about whatever instances
// claim and answer, in any order (design of A6 and A7).
func TestBoard_SharesAnswersAsTheOneInMemory(t *testing.T) {
	s := redistest.Start(t)
	b, m := open(t, s), fleet.NewMemory()
	r := rand.New(rand.NewPCG(3, 1))
	standings := map[fleet.Standing]int{}
	anew := func() {
		opened(t, b)
		s.Do("FLUSHALL")
		m.Flush()
	}
	anew()
	for i := range 1500 {
		key := r.IntN(40)
		c := fleet.Claim{
			Key: fmt.Sprint(key), Own: fmt.Sprint(r.IntN(8) / 7), Question: fmt.Sprint(key, ".", r.IntN(3)), ID: string(rune('a' + r.IntN(3))),
			Life: time.Hour, Kept: time.Hour,
		}
		if r.IntN(3) == 0 {
			a := fleet.Answer{Claim: c, Text: fmt.Appendf(nil, "answer %d\x00", i)}
			if err := b.Answer(t.Context(), a); err != nil { // a busy machine: what came of it nobody knows
				anew()
				continue
			}
			_ = m.Answer(t.Context(), a)
			continue
		}
		got, err := b.Claim(t.Context(), c)
		if err != nil {
			anew()
			continue
		}
		want, _ := m.Claim(t.Context(), c)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("claim %d, %+v: Redis says %+v, memory %+v", i, c, got, want)
		}
		standings[got.Standing]++
	}
	if len(standings) < 4 {
		t.Errorf("the claims were too tame: %v", standings)
	}
}

// A claim ends by itself if its instance dies, and who claims then is not disturbed by an
// answer that comes late.
func TestBoard_AClaimEndsByItself(t *testing.T) {
	s := redistest.Start(t)
	b := open(t, s)
	opened(t, b)
	claim := func(id string) (got fleet.Held) {
		t.Helper()
		for range 50 {
			var err error
			if got, err = b.Claim(t.Context(), fleet.Claim{Key: "k", Own: "o", Question: "q", ID: id, Life: 50 * time.Millisecond, Kept: time.Hour}); err == nil {
				return got
			}
			opened(t, b)
		}
		t.Fatal("Redis never answers")
		return got
	}
	claim("dies")
	for deadline := time.Now().Add(20 * time.Second); claim("lives").Standing != fleet.Yours; {
		if time.Now().After(deadline) {
			t.Fatal("the claim never ends")
		}
	}
	s.Do("PERSIST test:{tag}:answer:q")
	_ = b.Answer(t.Context(), fleet.Answer{Claim: fleet.Claim{Key: "k", Own: "o", Question: "q", ID: "dies", Kept: time.Hour}, Text: []byte("late")})
	if got := claim("third"); got.Standing != fleet.Taken {
		t.Errorf("after a late answer: %+v", got)
	}
}
