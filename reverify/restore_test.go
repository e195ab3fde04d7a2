package reverify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/reverify"
)

// A process died, or its store refused, between a batch and the deletion of the
// entries in it. The next one reports each once, and forgets nobody behind them.
func TestNew_GoesOnBehindEntriesThatAreReportedAlready(t *testing.T) {
	inMoodyWorld(t, webhook, func(w *world, m *moody) {
		w.hook.is(500, nil) // nothing is acknowledged yet
		w.lets("a")
		w.lets("b")
		w.share.is(1)
		pass(3 * time.Second) // asked, and in no batch yet
		w.share.is(0)
		w.lets("c")
		w.lets("d")
		m.refuses("reverify-entries")
		pass(10 * time.Second) // the batch is there, and so are its entries
		w.stop()

		if _, err := reverify.New(t.Context(), w.api, m, w.share, nil, webhook, key, nil, quiet, prometheus.NewRegistry()); err == nil {
			t.Error("goes on although what is reported cannot be deleted")
		}
		m.refuses("")
		w.start()
		if got, want := w.q.Counts("outage-1"), (reverify.Tally{Waiting: 2, Confirmed: 2}); got != want {
			t.Errorf("after the restart the counts are %+v, want %+v", got, want)
		}
		if n := w.q.Held(); n != 4 {
			t.Errorf("after the restart %d are held, want 4", n)
		}
		w.hook.is(0, nil)
		w.share.is(1)
		got := w.reported(time.Minute)
		wantResults(t, got, map[string]reverify.Result{
			"a": reverify.Confirmed, "b": reverify.Confirmed, "c": reverify.Confirmed, "d": reverify.Confirmed,
		})
		if n := w.q.Held(); n != 0 {
			t.Errorf("%d are held after the last was acknowledged", n)
		}
	})
}

func TestNew_SaysNothingOfAStoreThatIsSound(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.hook.is(500, nil)
		w.lets("a")
		w.share.is(1)
		pass(10 * time.Second) // in a batch
		w.share.is(0)
		w.lets("b") // waits
		w.stop()
		w.logs.Reset()
		w.start()
		if w.logs.Len() != 0 {
			t.Errorf("says %s", w.logs.String())
		}
	})
}

func TestNew_SaysThatReportsCannotBeRead(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.hook.is(500, nil)
		w.lets("a")
		w.share.is(1)
		pass(10 * time.Second)
		w.stop()
		key[0] ^= 1
		defer func() { key[0] ^= 1 }()
		w.logs.Reset()
		w.start()
		if !strings.Contains(w.logs.String(), "batches=1") || w.q.Held() != 0 {
			t.Errorf("holds %d, says %q", w.q.Held(), w.logs.String())
		}
	})
}
