package sla_test

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/sla"
)

var agreement = sla.Config{Target: 0.9999, MinuteErrorRate: 0.0001, Zone: "Asia/Shanghai"}

// memory is a store that outlives its users.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	writes int
	broken error
}

func (m *memory) Put(_ context.Context, bucket, key string, value []byte, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.writes++
	m.values[bucket+":"+key] = slices.Clone(value)
	return nil
}

func (m *memory) List(_ context.Context, bucket string, _ int) (iter.Seq2[string, []byte], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := maps.Clone(m.values)
	return func(yield func(string, []byte) bool) {
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if !yield(key[len(bucket)+1:], all[key]) {
				return
			}
		}
	}, m.broken
}

// breaks has it take no writes, or again.
func (m *memory) breaks(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memory) size() (bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, value := range m.values {
		bytes += len(key) + len(value)
	}
	return bytes
}

// A world is an instance's service levels, in virtual time.
type world struct {
	*sla.Levels

	t        *testing.T
	store    *memory
	registry *prometheus.Registry
	stop     func()
}

func inWorld(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: &memory{}}
		w.start()
		story(w)
		w.stop()
	})
}

// start begins a process on what the store holds.
func (w *world) start() {
	w.t.Helper()
	w.registry = prometheus.NewRegistry()
	levels, err := sla.New(w.t.Context(), agreement, w.store, slog.New(slog.DiscardHandler), w.registry)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Levels = levels
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { levels.Run(ctx) })
	w.stop = func() { cancel(); running.Wait() }
}

// kill ends the process without a last write.
func (w *world) kill() {
	w.store.breaks(context.Canceled)
	w.stop()
	w.store.breaks(nil)
}

// at has virtual time pass until then; it begins on 2000-01-01 in UTC.
func at(month time.Month, day, hour, minute, second int) time.Time {
	then := time.Date(2000, month, day, hour, minute, second, 0, time.FixedZone("", 8*3600))
	time.Sleep(time.Until(then))
	return then
}

func (w *world) month(name string) sla.Report {
	w.t.Helper()
	r, err := w.Month(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// asks has calls be answered, now.
func (w *world) asks(answered int) {
	for range answered {
		w.Saw(captcha.Seen{At: time.Now()})
	}
}

// fails has calls fail, now.
func (w *world) fails(n int, what, id string) {
	for range n {
		w.Saw(captcha.Seen{At: time.Now(), Failed: true, What: what, RequestID: id})
	}
}

// minutes is the metric.
func (w *world) minutes() (available, unavailable, unseen float64) {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			found[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	if len(families) != 1 || families[0].GetName() != "captchagate_sla_minutes_total" || len(found) != 3 {
		w.t.Fatalf("%v", families)
	}
	return found["available"], found["unavailable"], found["unseen"]
}
