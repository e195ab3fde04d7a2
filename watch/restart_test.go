package watch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/watch"
)

func TestIncidents_AKillLosesASecondOfCounts(t *testing.T) {
	begun(t, func(t *testing.T, p *process, disk *shelf) {
		p.Begin(watch.KindCircuit, "first", time.Now())
		id := p.Current()
		for range 20 { // two seconds
			p.CountAnswer(watch.Answer{Decision: "deny", Cause: "circuit_open"})
			pass(100 * time.Millisecond)
		}
		p.CountAnswer(watch.Answer{Decision: "deny", Cause: "circuit_open"})
		disk = disk.asOfNow() // kill -9
		pass(30 * time.Second)

		next := open(t, disk)
		synctest.Wait()
		if list := next.List(1); next.Current() != "" || len(list) != 1 || list[0].ID != id || !list[0].Interrupted {
			t.Fatalf("before the outage is met again: %q, %+v", next.Current(), list)
		}
		if n := count(next.List(1)[0], "deny", "circuit_open"); n < 10 || n > 21 {
			t.Fatalf("%d answers kept of 21, of which 10 are of the last second", n)
		}
		kept := count(next.List(1)[0], "deny", "circuit_open")
		pass(30 * time.Second)
		next.Begin(watch.KindCircuit, "again", time.Now())
		next.CountAnswer(watch.Answer{Decision: "deny", Cause: "circuit_open"})
		if next.Current() != id {
			t.Fatalf("the incident is %q, want %q to go on", next.Current(), id)
		}
		pass(38 * time.Second)
		next.End(watch.KindCircuit, time.Now())
		pass(time.Second)
		if told := next.told(); len(told) != 1 || count(told[0], "deny", "circuit_open") != kept+1 || !told[0].Interrupted {
			t.Fatalf("told of %+v", told)
		}
		wantShape(t, next.told()[0], "0-100: circuit 0-100")
	})
}

func TestIncidents_AnOutageThatIsNotMetAgainEndedWithTheProcess(t *testing.T) {
	for name, c := range map[string]struct {
		down, then time.Duration
		begins     bool
	}{
		"nothing begins":         {time.Second, 3 * time.Minute, false},
		"it begins too late":     {time.Second, 3 * time.Minute, true},
		"the process came late":  {time.Hour, 0, true},
		"late and nothing there": {time.Hour, 5 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			begun(t, func(t *testing.T, p *process, disk *shelf) {
				p.Begin(watch.KindCircuit, "first", time.Now())
				id := p.Current()
				pass(45 * time.Second)
				disk = disk.asOfNow()
				pass(c.down)
				next := open(t, disk)
				if c.then > 0 {
					pass(c.then)
				} // else it begins before anything is written
				if c.begins {
					next.Begin(watch.KindCircuit, "another", time.Now())
					if next.Current() == id || next.Current() == "" {
						t.Errorf("the incident is %q, the first was %q", next.Current(), id)
					}
				}
				pass(5 * time.Second)
				told := next.told()
				if len(told) != 1 || told[0].ID != id || !told[0].Interrupted {
					t.Fatalf("told of %+v", told)
				}
				if lasted := told[0].Ended.Sub(told[0].Began); lasted < 35*time.Second || lasted > 45*time.Second {
					t.Errorf("it ended after %v; the process lived 45s and gave a sign every ten", lasted)
				}
				third := open(t, disk.asOfNow())
				pass(5 * time.Minute)
				if again := third.told(); len(again) > 1 || len(again) == 1 && again[0].ID == id {
					t.Errorf("told again of %+v", again)
				}
			})
		})
	}
}

// Two minutes after the last sign of life it is the same outage, a moment later
// another one.
func TestIncidents_GoOnWithinTwoMinutes(t *testing.T) {
	for _, late := range []time.Duration{0, 1} {
		begun(t, func(t *testing.T, p *process, disk *shelf) {
			p.Begin(watch.KindCircuit, "first", time.Now())
			id := p.Current()
			pass(500 * time.Millisecond)
			p.CountAnswer(watch.Answer{Decision: "deny", Cause: "circuit_open"})
			p.stop() // it writes once more
			pass(2*time.Minute + late)
			next := open(t, disk)
			synctest.Wait()
			next.Begin(watch.KindCircuit, "again", time.Now())
			if same := next.Current() == id; same != (late == 0) {
				t.Errorf("%v after two minutes it is the same: %v", late, same)
			}
			if late == 0 && len(next.List(1)[0].Parts) != 1 {
				t.Errorf("its part did not go on: %+v", next.List(1)[0].Parts)
			}
		})
	}
}

func TestIncidents_OnlyTheCauseThatIsMetAgainGoesOn(t *testing.T) {
	begun(t, func(t *testing.T, p *process, disk *shelf) {
		p.Begin(watch.KindForced, "by hand", time.Now())
		p.Begin(watch.KindCircuit, "faults", time.Now())
		pass(30 * time.Second)
		p.stop() // as for a new version, not a kill
		next := open(t, disk)
		pass(10 * time.Second)
		next.Begin(watch.KindForced, "by hand", time.Now())
		pass(200 * time.Second)
		next.Begin(watch.KindCircuit, "other faults", time.Now()) // too late to be the same
		pass(20 * time.Second)
		next.End(watch.KindCircuit, time.Now())
		next.End(watch.KindForced, time.Now())
		pass(time.Second)
		if told := next.told(); len(told) != 1 {
			t.Fatalf("told of %+v", told)
		}
		wantShape(t, next.told()[0], "0-260: forced 0-260 circuit 0-30 circuit 240-260")
	})
}

// A part that was over when the process ended does not go on after it.
func TestIncidents_APartThatWasOverBeginsAnew(t *testing.T) {
	begun(t, func(t *testing.T, p *process, disk *shelf) {
		p.Begin(watch.KindForced, "by hand", time.Now())
		p.Begin(watch.KindCircuit, "faults", time.Now())
		pass(20 * time.Second)
		p.End(watch.KindCircuit, time.Now())
		pass(10 * time.Second)
		p.stop()
		next := open(t, disk)
		pass(10 * time.Second)
		next.Begin(watch.KindForced, "by hand", time.Now())
		next.Begin(watch.KindCircuit, "faults again", time.Now())
		wantShape(t, next.List(1)[0], "0-: forced 0- circuit 0-20 circuit 40-")
	})
}

func TestIncidents_KeepTheNewest200(t *testing.T) {
	begun(t, func(t *testing.T, p *process, disk *shelf) {
		for n := range 205 {
			p.Begin(watch.KindCircuit, fmt.Sprint(n), time.Now())
			pass(time.Second)
			p.End(watch.KindCircuit, time.Now())
			pass(time.Second)
		}
		for name, p := range map[string]*process{"the same process": p, "the next one": open(t, disk.asOfNow())} {
			list := p.List(1000)
			if len(list) != 200 || list[0].Evidence != "204" || list[199].Evidence != "5" {
				t.Errorf("%s lists %d", name, len(list))
			}
			if three := p.List(3); len(three) != 3 || three[2].Evidence != "202" {
				t.Errorf("%s lists %d of 3", name, len(three))
			}
		}
		if n := len(disk.asOfNow().kept); n != 200 {
			t.Errorf("%d are stored", n)
		}
	})
}
