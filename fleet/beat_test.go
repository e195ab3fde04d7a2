package fleet_test

import (
	"testing"
	"time"

	"captchagate/fleet"
)

// An instance that has not heard of the recovery yet still holds the API to be away: that
// is about the outage before, and does not open the fleet again (F2, C8).
func TestMemory_TakesNoVerdictOfAnEarlierOutage(t *testing.T) {
	m, now := fleet.NewMemory(), time.UnixMilli(1_800_000_000_000)
	rules := fleet.UsualRules(time.Second, 100*time.Millisecond, time.Second, 5*time.Second, 3)
	says := func(id string, r fleet.Report) fleet.View {
		now = now.Add(10 * time.Millisecond)
		r.ID, r.Voting, r.Rules = id, true, rules
		return m.BeatAt(now, "server", r)
	}
	says("a", fleet.Report{})
	now = now.Add(3 * time.Second) // a board that is new opens nothing
	says("a", fleet.Report{Ill: true})
	v := says("b", fleet.Report{Ill: true})
	if v.Circuit.State != fleet.Open || v.Circuit.Epoch != 1 {
		t.Fatalf("at a quorum the circuit is %+v", v.Circuit)
	}
	for v.Circuit.State != fleet.Recovering {
		now = now.Add(time.Second)
		if v = says("a", fleet.Report{Ill: true, Epoch: 1, Wants: true}); v.Token == 0 {
			t.Fatalf("no lease: %+v", v)
		}
		v = says("a", fleet.Report{Ill: true, Epoch: 1, Ended: fleet.Ended{Made: true, Token: v.Token, Finding: fleet.Healthy}})
	}
	for _, id := range []string{"b", "c", "d"} {
		if v = says(id, fleet.Report{Ill: true, Epoch: 1}); v.Circuit.State != fleet.Recovering || v.Ill != 0 {
			t.Errorf("a late %s makes it %+v, %d ill", id, v.Circuit, v.Ill)
		}
	}
	says("b", fleet.Report{Ill: true, Epoch: 2})
	if v = says("c", fleet.Report{Ill: true, Epoch: 2}); v.Circuit.State != fleet.Open || v.Circuit.Epoch != 3 {
		t.Errorf("at a quorum of this epoch it is %+v", v.Circuit)
	}
}
