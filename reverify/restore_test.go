package reverify_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
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

		if _, err := reverify.New(t.Context(), w.api, m, w.share, nil, webhook, [][]byte{key}, nil, nil, quiet, prometheus.NewRegistry()); err == nil {
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

// Whoever was let in with a ticket is not let in again with it by the next
// process, whether it was asked about or not, as long as the ticket lives.
func TestLetThrough_YieldsTheTicketsOfEarlierProcesses(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		want := func(when string, tickets ...string) {
			t.Helper()
			keys := map[captcha.Key]bool{}
			for key := range w.q.LetThrough() {
				keys[key] = true
			}
			for _, ticket := range tickets {
				if !keys[entry(ticket).Ticket.Key()] {
					t.Errorf("%s: %s is forgotten", when, ticket)
				}
			}
			if len(keys) != len(tickets) {
				t.Errorf("%s: %d tickets, want %d", when, len(keys), len(tickets))
			}
		}
		w.lets("asked")
		w.share.is(1)
		pass(10 * time.Second)
		w.share.is(0)
		w.lets("waiting")
		want("in the process that let them in")
		w.restart()
		want("after a restart", "asked", "waiting")
		pass(captcha.TicketLife - 11*time.Second)
		w.restart()
		want("just before the first ticket is too old", "asked", "waiting")
		pass(2 * time.Second)
		w.restart()
		want("once the first ticket is too old", "waiting")
		pass(20 * time.Second)
		w.restart()
		want("once both are too old")
	})
}

// unlistable is a store one of whose buckets cannot be listed.
type unlistable struct {
	reverify.Store
	bucket string
}

func (u unlistable) List(ctx context.Context, bucket string, limit int) (iter.Seq2[string, []byte], error) {
	if bucket == u.bucket {
		return nil, errors.New("disk full of holes")
	}
	return u.Store.List(ctx, bucket, limit)
}

func TestNew_FailsIfAnyOfItsBucketsCannotBeRead(t *testing.T) {
	for _, bucket := range []string{"reverify-entries", "reverify-batches", "reverify-refuted", "reverify-spent"} {
		_, err := reverify.New(t.Context(), newAPI(), unlistable{open(t), bucket}, &share{}, nil, webhook, [][]byte{key}, nil, nil, quiet, prometheus.NewRegistry())
		if err == nil {
			t.Errorf("%s cannot be read, and there is no error", bucket)
		}
	}
}
