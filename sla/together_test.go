package sla_test

import (
	"testing"
	"time"

	"captchagate/sla"
)

// What is told later than for 35 days is added as well, and days of all instances are then
// summed up but for minutes in which something failed: no figure changes. O2
func TestLevels_SumOldDaysUpWithoutChangingThem(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Share()
		other := &world{t: t, store: &memory{}}
		other.start()
		other.Share()
		at(time.March, 2, 12, 0, 0)
		for minute := range 600 {
			at(time.March, 2, 12, minute, 0)
			w.asks(20 + minute%13)
			other.asks(10 + minute)
			if minute%100 == 7 { // so many that one failure is less than 0.01 %
				w.asks(6_000)
				other.asks(5_000)
				w.fails(1, "26", "")
			}
			if minute%200 == 7 {
				other.fails(2, "fault", "")
			}
		}
		at(time.March, 2, 23, 0, 0)
		learn(t, w, other)
		before, size := w.month("2000-03"), w.store.size()
		if before.Unavailable != 3 || before.Failed != 12 || before.Observed != 600 {
			t.Errorf("%+v", before)
		}
		now := at(time.March, 3, 0, 0, 0).Add(sla.DetailFor + 48*time.Hour)
		time.Sleep(time.Until(now))
		w.asks(1)
		time.Sleep(2 * time.Second)
		after := w.month("2000-03")
		after.Availability = before.Availability // the month has gone on
		if len(after.Faults) != 3 || after.Claim.Verifications != 0 && after.Claim != before.Claim {
			t.Errorf("%+v, want %+v", after.Claim, before.Claim)
		}
		if after.Requests != before.Requests || after.Failed != before.Failed || after.Observed != before.Observed || after.Unavailable != before.Unavailable {
			t.Errorf("%+v, want %+v", after, before)
		}
		if w.store.size() > size/2 {
			t.Errorf("%d bytes after %d", w.store.size(), size)
		}
		other.stop()
	})
}

// learn has one instance learn what another counted, twice, which changes nothing.
func learn(t *testing.T, w, other *world) {
	t.Helper()
	time.Sleep(2 * time.Second)
	for range 2 {
		for _, d := range other.Days(false) {
			if _, err := w.Learn("other", d.Text); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := w.Learn("other", []byte("nonsense")); err == nil {
		t.Error("nonsense was learned")
	}
	time.Sleep(2 * time.Second)
}
