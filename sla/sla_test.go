package sla_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/captcha"
	"captchagate/sla"
)

// A minute is unavailable where more than 0.01 % of its requests failed, probes included;
// unavailable minutes in a row are one fault; the claim is ten times what failed in the
// faults without the probes. O2
func TestLevels_JudgeMinutesAndClaimWhatTheAgreementGives(t *testing.T) {
	inWorld(t, func(w *world) {
		at(time.March, 1, 0, 0, 30) // unseen before
		w.asks(9_999)
		w.fails(1, "fault", "") // 1 of 10,000 is not more than 0.01 %
		at(time.March, 1, 0, 1, 0)
		w.asks(9_998)
		w.fails(1, "InternalError", "id-1")
		at(time.March, 1, 0, 2, 59)
		w.fails(3, "fault", "")
		w.Saw(captcha.Seen{At: time.Now(), Probe: true, Failed: true, What: "fault"})
		at(time.March, 1, 0, 3, 0)
		w.Saw(captcha.Seen{At: time.Now().Add(-time.Second), Failed: true, What: "26", RequestID: "id-2"}) // it began in the minute before
		w.Spared()
		w.Spared()
		at(time.March, 1, 0, 5, 0)
		w.Saw(captcha.Seen{At: time.Now(), Probe: true, Failed: true, What: "fault"}) // 0:04 between was unseen
		at(time.March, 1, 0, 9, 59)
		r := w.month("2000-03")
		if r.Observed != 4 || r.Unavailable != 3 || r.Requests != 20_005 || r.Failed != 8 || r.Availability != 0.7 {
			t.Errorf("%+v", r)
		}
		if len(r.Faults) != 2 {
			t.Fatalf("faults %+v", r.Faults)
		}
		f := r.Faults[0]
		if f.Minutes != 2 || f.Requests != 10_004 || f.Failed != 6 || f.Kinds["fault"] != 4 || f.Kinds["InternalError"] != 1 || f.Kinds["26"] != 1 ||
			!slices.Equal(f.RequestIDs, []string{"id-1", "id-2"}) || f.Began.Format(time.RFC3339) != "2000-03-01T00:01:00+08:00" || f.Ended.Format(time.RFC3339) != "2000-03-01T00:03:00+08:00" {
			t.Errorf("the fault is %+v", f)
		}
		if r.Claim.Verifications != 50 || r.Claim.Spared != 2 || r.Claim.Until.Format(time.RFC3339) != "2000-06-01T00:00:00+08:00" || r.Claim.LastDay() != "2000-05-31" {
			t.Errorf("the claim is %+v", r.Claim)
		}
	})
}

// What a killed process had written it goes on with, in the middle of a minute too; a
// second of counts may be missing. One that ends by itself loses nothing. O2
func TestLevels_GoOnAfterARestartInTheMiddleOfAMinute(t *testing.T) {
	inWorld(t, func(w *world) {
		at(time.March, 1, 12, 0, 10)
		w.asks(5)
		at(time.March, 1, 12, 0, 12)
		w.asks(100) // some may not be written when the process is killed, at the same moment
		w.kill()
		w.start()
		w.fails(1, "fault", "")
		w.Spared()
		w.stop()
		w.start()
		w.asks(2)
		at(time.March, 1, 12, 30, 0)
		w.asks(1)
		at(time.March, 1, 12, 40, 0)
		r := w.month("")
		if r.Month != "2000-03" || r.Requests < 9 || r.Requests > 109 || r.Failed != 1 || r.Observed != 2 || r.Claim.Spared != 1 || r.Unavailable != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// A store that takes no writes costs nothing as long as the process lives.
func TestLevels_KeepInMemoryWhatCannotBeWritten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.store.breaks(errors.New("disk full"))
		at(time.March, 1, 12, 0, 0)
		w.asks(7)
		at(time.March, 1, 12, 10, 0)
		w.asks(1)
		at(time.March, 1, 12, 10, 3) // what failed is tried again though nothing is counted any more
		w.store.breaks(nil)
		at(time.March, 1, 12, 10, 8)
		w.stop()
		w.start()
		if r := w.month(""); r.Requests != 8 || r.Observed != 2 {
			t.Errorf("%+v", r)
		}
	})
}

// A month is kept in a few kB, of a business that is never quiet.
func TestLevels_KeepAMonthInAFewKilobytes(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 31*24*60 - 8*60 { // a few requests every minute
			w.asks(3)
			time.Sleep(time.Minute)
		}
		r := w.month("2000-01")
		if r.Observed != 31*24*60-8*60 || r.Requests != 3*r.Observed || r.Availability != 1 {
			t.Errorf("%+v", r)
		}
		t.Logf("%d bytes a month", w.store.size())
		if w.store.size() > 4<<10 {
			t.Errorf("%d bytes", w.store.size())
		}
	})
}

// Minutes are counted once each, when they have been judged. O2
func TestLevels_CountJudgedMinutes(t *testing.T) {
	inWorld(t, func(w *world) {
		at(time.March, 1, 0, 0, 0)
		w.stop()
		w.start()
		if a, u, n := w.minutes(); a+u+n != 0 {
			t.Errorf("%v %v %v at the start", a, u, n)
		}
		w.asks(10)
		at(time.March, 1, 0, 2, 0)
		w.fails(1, "fault", "")
		at(time.March, 1, 0, 8, 30)
		for range 2 {
			if a, u, n := w.minutes(); a != 1 || u != 1 || n != 6 {
				t.Errorf("%v available, %v unavailable, %v unseen", a, u, n)
			}
		}
	})
}

func TestLevels_RefuseWhatIsNoMonth(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, month := range []string{"2000-13", "2000-1", "March", "2000-03-01", "2000/03", "\x1b[2J"} {
			if _, err := w.Month(month); !errors.Is(err, sla.ErrMonth) {
				t.Errorf("%q: %v", month, err)
			}
		}
		if r := w.month("2031-07"); r.Availability != 1 || r.Observed != 0 || r.Faults == nil {
			t.Errorf("a month to come: %+v", r)
		}
	})
}

// The text to paste says what, when, how many, which, how much and until when, and whose
// records decide.
func TestReport_HasATextForTheProvider(t *testing.T) {
	inWorld(t, func(w *world) {
		at(time.March, 1, 0, 0, 0)
		w.asks(1)
		if r := w.month(""); r.Ticket() != "" || !strings.Contains(r.Text(), sla.OwnRecords) || !strings.Contains(r.Text(), "nothing") {
			t.Errorf("without a claim: %s%s", r.Text(), r.Ticket())
		}
		w.fails(4, "InternalError", "5b3a6a9e-0000-4000-8000-000000000001")
		for minute := 1; minute < 6; minute++ {
			at(time.March, 1, 0, minute, 0)
			w.fails(1, "fault", "")
		}
		for range 3 {
			w.Saw(captcha.Seen{At: time.Now(), Failed: true, What: "fault", Unanswered: true})
		}
		w.Saw(captcha.Seen{At: time.Now(), Failed: true, What: "circuit_open", Unanswered: true})
		at(time.April, 20, 0, 0, 0)
		r := w.month("2000-03")
		for _, part := range []string{"2000-03", "2000-03-01 00:00 +08:00 to 2000-03-01 00:06 +08:00, 6 minutes: 13 of 14 requests failed (not answered 3, answered with an HTTP error or with nonsense 5, InternalError 4, given up unanswered when the circuit opened 1)", "all times in UTC+08:00", "5b3a6a9e-", "not answered have no RequestId", "10 × 13 = 130", "2000-05-31", "own records decide"} {
			if !strings.Contains(r.Ticket(), part) {
				t.Errorf("the ticket lacks %q:\n%s", part, r.Ticket())
			}
		}
		if !strings.Contains(r.Text(), "99.9865 %; 99.9900 % is promised: MISSED") || !strings.Contains(r.Text(), "(times in UTC+08:00, of sla.zone)") {
			t.Errorf("%s", r.Text())
		}
		unseen := w.month("2000-01")
		if text := unseen.Text(); !strings.Contains(text, "not known, since no call was seen; 99.9900 % is promised: nobody can tell") || strings.Contains(text, "met") {
			t.Errorf("a month in which nothing was seen: %s", text)
		}
	})
}
