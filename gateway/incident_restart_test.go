package gateway_test

import (
	"testing"
	"time"

	"captchagate/simulator"
)

// A restart in an outage goes on with the same incident where the new process
// meets it soon; one that meets nothing closes it at the last sign of life.
func TestIncident_OutlivesARestart(t *testing.T) {
	inTown(t, nil, func(w *town) {
		w.outage(simulator.HTTP502)
		crowd := w.crowd("comment", 50, time.Second)
		before := w.only()
		w.restarts(5 * time.Second)
		if i := w.only(); i.ID != before.ID || i.Ended != nil || !i.Interrupted {
			t.Errorf("after the restart: %+v", i)
		}
		w.outage(simulator.HTTP502)
		crowd = append(crowd, w.crowd("comment", 50, time.Second)...)
		i := w.only()
		if i.ID != before.ID || i.Ended != nil || i.counted()["allow circuit_open"] != len(crowd) {
			t.Errorf("met again: %+v, want %d answers", i, len(crowd))
		}
		w.end()
		stopped := time.Now()
		w.sim.ClearFault()
		time.Sleep(time.Hour)
		w.starts()
		time.Sleep(3 * time.Second)
		if i := w.only(); i.ID != before.ID || i.Ended == nil {
			t.Errorf("left behind: %+v", i)
		} else {
			w.near("ended", *i.Ended, stopped)
		}
		if audit := w.audits("incident"); len(audit) != 1 {
			t.Errorf("the audit has %v", audit)
		}
	})
}
