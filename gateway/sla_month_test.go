package gateway_test

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/fleet"
	"captchagate/sla"
	"captchagate/store/bolt"
)

// A month whose faults are known to the second, seen by three instances: docs/service-levels.md
// does the arithmetic by hand. What is reported is held against that, and against the records
// that the API kept itself. O2
func TestServiceLevels_AreExactOverAMonthOfKnownFaults(t *testing.T) {
	long(t)
	inMonths(t, func(api *provider, all []*instance) {
		a, b, c := all[0], all[1], all[2]
		from := toShanghai(time.February, 1, 0, 0, 0)
		quiet := func(users int) {
			for _, i := range all {
				if got := i.asks(users); got != users {
					t.Errorf("%d of %d users verified in peace", got, users)
				}
			}
		}
		quiet(100)

		toShanghai(time.February, 3, 9, 0, 0) // one failure among few: the minute is unavailable
		api.failsOnce("internal")
		a.asks(99)
		toShanghai(time.February, 3, 9, 30, 0) // one among 10,000, of which b saw the rest: it is not
		api.failsOnce("internal")
		a.asks(1)
		b.asks(9_998)

		for minute := range 10 { // 2 % fail for ten minutes, of which c alone sees anything
			toShanghai(time.February, 5, 20, minute, 1)
			api.failsOnce("busy")
			c.asks(49) // and a retry: 1 of 50
		}

		toShanghai(time.February, 8, 14, 0, 1)
		api.becomes("throttles")
		a.asks(30)
		toShanghai(time.February, 8, 14, 5, 0)
		api.becomes("")
		quiet(5)
		toShanghai(time.February, 9, 14, 0, 1)
		api.becomes("refuses")
		b.asks(5)
		toShanghai(time.February, 9, 14, 10, 0)
		api.becomes("")
		toShanghai(time.February, 9, 14, 20, 0)
		quiet(5)

		toShanghai(time.February, 10, 3, 0, 0) // what is kept dies while nobody uses it
		a.connectionsDie(true)
		if a.asks(1) != 1 {
			t.Error("a dead connection kept a user out")
		}

		outage := toShanghai(time.February, 14, 15, 23, 0) // 87 minutes whole
		api.becomes("502")
		askThrough(t, all, outage.Add(87*time.Minute), 10*time.Second)
		api.becomes("")
		toShanghai(time.February, 14, 17, 0, 0)
		quiet(5)

		toShanghai(time.February, 17, 8, 0, 10) // b restarts in the middle of a minute that is bad
		api.failsOnce("internal")
		b.asks(10)
		b.ends()
		b.starts()
		b.asks(10)

		toShanghai(time.February, 19, 8, 0, 10) // c sees a failure while it is away from the others
		exchange(all)
		toShanghai(time.February, 19, 12, 0, 10)
		c.cutOff = true
		api.failsOnce("busy")
		c.asks(3)
		exchange(all)
		for _, i := range []*instance{a, b} {
			if r := monthOf(t, i, "2000-02"); r.Unavailable != 1+10+87+1 {
				t.Errorf("%s knows of %d minutes while c is away", i.name, r.Unavailable)
			}
		}
		toShanghai(time.February, 21, 8, 0, 10)
		c.cutOff = false
		quiet(5)

		night := toShanghai(time.February, 29, 23, 50, 0) // over midnight of the month's end
		api.becomes("hangs")
		askThrough(t, all, night.Add(20*time.Minute), 20*time.Second)
		api.becomes("")
		toShanghai(time.March, 1, 1, 0, 0)
		quiet(5)
		toShanghai(time.March, 31, 23, 59, 30)
		exchange(all)

		february := monthOf(t, a, "2000-02")
		march := monthOf(t, a, "2000-03")
		for _, i := range all {
			if !equalReports(monthOf(t, i, "2000-02"), february) || !equalReports(monthOf(t, i, "2000-03"), march) {
				t.Errorf("%s tells of another month than a", i.name)
			}
		}
		holds(t, api, february, from, toFebruarysEnd(), 1+10+87+1+1+10, 29*24*60)
		holds(t, api, march, toFebruarysEnd(), march.To, 10, 31*24*60)
		if february.Claim.Verifications == 0 {
			t.Error("February has no claim")
		}
		if lengths := lengthsOf(february); !slices.Equal(lengths, []int64{1, 10, 87, 1, 1, 10}) {
			t.Errorf("the faults of February lasted %v", lengths)
		}
		if spared := a.spared + b.spared + c.spared; february.Claim.Spared+march.Claim.Spared != spared || march.Claim.Spared == 0 || spared < 1_000 {
			t.Errorf("%d and %d spared, want %d together", february.Claim.Spared, march.Claim.Spared, spared)
		}
		if last := february.Faults[len(february.Faults)-1]; !last.Ended.Equal(toFebruarysEnd()) || !march.Faults[0].Began.Equal(toFebruarysEnd()) {
			t.Errorf("the outage over midnight: %+v, then %+v", last, march.Faults[0])
		}
		if kinds := february.Faults[0].Kinds; kinds["InternalError"] != 1 || len(february.Faults[0].RequestIDs) != 1 || february.Faults[0].RequestIDs[0] != providersRequestID {
			t.Errorf("%+v", february.Faults[0])
		}
		t.Logf("February: %s\nMarch: %s", february.Text(), march.Text())
	})
}

// A store that an earlier version wrote, which knew of no service levels, opens: they begin
// then, stay over a restart, and what was in it stays. O2
func TestServiceLevels_BeginInAStoreThatKnowsOfNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &provider{records: map[int64]record{}}
		api.becomes("")
		i := &instance{t: t, name: "a", api: api, board: fleet.NewMemory(), path: filepath.Join(t.TempDir(), "a.db")}
		file, err := bolt.Open(i.path, slog.New(slog.DiscardHandler))
		check(t, err)
		check(t, file.Put(t.Context(), "control", "switch", []byte("degraded"), time.Hour))
		check(t, file.Close())
		i.starts()
		if r := monthOf(t, i, "2000-01"); r.Requests != 0 || r.Availability != 1 {
			t.Errorf("%+v", r)
		}
		api.failsOnce("internal")
		i.asks(9)
		i.ends()
		i.starts()
		if r := monthOf(t, i, "2000-01"); r.Requests != 10 || r.Failed != 1 {
			t.Errorf("%d of %d requests failed, want 1 of 10", r.Failed, r.Requests)
		}
		i.ends()
		file, err = bolt.Open(i.path, slog.New(slog.DiscardHandler))
		check(t, err)
		if value, found, err := file.Get(t.Context(), "control", "switch"); err != nil || !found || string(value) != "degraded" {
			t.Errorf("%q, %v, %v", value, found, err)
		}
		check(t, file.Close())
	})
}

func toFebruarysEnd() time.Time {
	return time.Date(2000, time.March, 1, 0, 0, 0, 0, time.FixedZone("", 8*3600))
}

// askThrough has users ask every instance until then.
func askThrough(t *testing.T, all []*instance, until time.Time, every time.Duration) {
	t.Helper()
	var users sync.WaitGroup
	for _, i := range all {
		users.Go(func() {
			for burst := 20; time.Now().Before(until.Add(-every)); burst = 1 {
				i.asks(burst)
				time.Sleep(every)
			}
		})
	}
	users.Wait()
	time.Sleep(time.Until(until))
}

// exchange has the instances tell each other what they counted. Of days long past they
// learn within an hour.
func exchange(all []*instance) {
	for range 2 {
		for _, i := range all {
			i.exchange()
		}
		time.Sleep(time.Hour)
	}
}

func monthOf(t *testing.T, i *instance, month string) sla.Report {
	t.Helper()
	r, err := i.levels.Month(month)
	check(t, err)
	return r
}

func equalReports(a, b sla.Report) bool {
	one, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	return string(one) == string(other)
}

func lengthsOf(r sla.Report) (lengths []int64) {
	for _, f := range r.Faults {
		lengths = append(lengths, f.Minutes)
	}
	return lengths
}

// holds holds a month against the API's own records, and what is known of it beforehand.
func holds(t *testing.T, api *provider, r sla.Report, from, to time.Time, unavailable, minutes int64) {
	t.Helper()
	sum, judged, seen := api.between(from, to)
	if judged != unavailable || r.Unavailable != unavailable || r.Observed != seen || r.Requests != sum.requests || r.Failed != sum.failed {
		t.Errorf("%s: %d unavailable of %d minutes, %d of %d requests failed; the API says %d of %d and %+v; want %d", r.Month, r.Unavailable, r.Observed, r.Failed, r.Requests, judged, seen, sum, unavailable)
	}
	if want := float64(minutes-unavailable) / float64(minutes); r.Availability != want {
		t.Errorf("%s: availability %v, want %v", r.Month, r.Availability, want)
	}
	harmless := int64(0) // failures in minutes that were available
	for _, f := range r.Faults {
		harmless += f.Failed
	}
	harmless = r.Failed - harmless
	if want := 10 * (sum.failed - sum.probes - harmless); r.Claim.Verifications != want {
		t.Errorf("%s: claims %d, want %d", r.Month, r.Claim.Verifications, want)
	}
}
