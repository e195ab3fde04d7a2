package watch_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/store/bolt"
	"captchagate/watch"
)

var _ watch.Store = (*bolt.Store)(nil)

// A shelf is a store in memory, which outlives the processes of a test.
type shelf struct {
	mu     sync.Mutex
	kept   map[string][]byte
	writes int
	away   bool
}

var errAway = errors.New("the store is away")

func (s *shelf) Put(_ context.Context, bucket, key string, value []byte, life time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away || life != 0 {
		return errAway
	}
	s.writes++
	s.kept[bucket+"/"+key] = bytes.Clone(value)
	return nil
}

func (s *shelf) Delete(_ context.Context, bucket, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	delete(s.kept, bucket+"/"+key)
	return nil
}

func (s *shelf) List(_ context.Context, bucket string, most int) (iter.Seq2[string, []byte], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	kept := maps.Clone(s.kept)
	return func(yield func(string, []byte) bool) {
		for _, key := range slices.Sorted(maps.Keys(kept)) {
			if most--; most < 0 || !yield(strings.TrimPrefix(key, bucket+"/"), kept[key]) {
				return
			}
		}
	}, nil
}

// asOfNow is what the disk holds at this moment: what a process finds that
// starts after a kill -9.
func (s *shelf) asOfNow() *shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &shelf{kept: maps.Clone(s.kept)}
}

func (s *shelf) be(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *shelf) wrote() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// A process has incidents over a store.
type process struct {
	*watch.Incidents
	mu    sync.Mutex
	ended []watch.Incident
	stop  func()
}

func open(t *testing.T, s watch.Store) *process {
	t.Helper()
	p := &process{}
	var err error
	p.Incidents, err = watch.NewIncidents(t.Context(), s, func(i watch.Incident) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = append(p.ended, i)
	}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(ctx) })
	p.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(p.stop)
	return p
}

func (p *process) told() []watch.Incident {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ended)
}

// begun opens a process over an empty shelf and tells the story in virtual time.
func begun(t *testing.T, tell func(t *testing.T, p *process, s *shelf)) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{kept: map[string][]byte{}}
		p := open(t, s)
		synctest.Wait()
		tell(t, p, s)
	})
}
