package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/store/bolt"
	"captchagate/watch"
)

func TestIncidents_GoOnWithoutTheStore(t *testing.T) {
	begun(t, func(t *testing.T, p *process, disk *shelf) {
		disk.be(true)
		p.Begin(watch.KindCircuit, "faults", time.Now())
		p.CountAnswer(watch.Answer{Decision: "deny", Cause: "circuit_open"})
		pass(10 * time.Second)
		p.End(watch.KindCircuit, time.Now())
		pass(10 * time.Second)
		if told := p.told(); len(told) != 1 || count(told[0], "deny", "circuit_open") != 1 {
			t.Fatalf("told of %+v", told)
		}
		if n := len(disk.asOfNow().kept); n != 0 {
			t.Fatalf("%d stored in a store that was away", n)
		}
		disk.be(false)
		pass(2 * time.Second)
		if list := open(t, disk.asOfNow()).List(1); len(list) != 1 || list[0].Ended == nil {
			t.Errorf("after the store came back it holds %+v", list)
		}
		if told := p.told(); len(told) != 1 {
			t.Errorf("told %d times", len(told))
		}
	})
}

func TestIncidents_WriteOnceASecondAndRarelyInSilence(t *testing.T) {
	begun(t, func(_ *testing.T, p *process, disk *shelf) {
		pass(time.Hour)
		if n := disk.wrote(); n != 0 {
			t.Errorf("%d writes in an hour of peace", n)
		}
		p.Begin(watch.KindCircuit, "faults", time.Now())
		for range 1000 { // ten seconds
			p.CountAnswer(watch.Answer{Decision: "deny", Cause: "circuit_open"})
			pass(10 * time.Millisecond)
		}
		busy := disk.wrote()
		pass(100 * time.Second)
		if silent := disk.wrote() - busy; busy < 10 || busy > 12 || silent < 10 || silent > 12 {
			t.Errorf("%d writes in ten busy seconds, %d in a hundred silent ones", busy, silent)
		}
	})
}

func TestIncidents_SayThatTheStoreCannotBeRead(t *testing.T) {
	_, err := watch.NewIncidents(t.Context(), &shelf{away: true}, nil, quiet)
	if !errors.Is(err, errAway) {
		t.Errorf("the error is %v", err)
	}
}

func TestIncidents_LeaveOutWhatCannotBeRead(t *testing.T) {
	var text bytes.Buffer
	disk := &shelf{kept: map[string][]byte{"incidents/a": []byte("{"), "incidents/b": []byte(`{"id":"c"}`)}}
	is, err := watch.NewIncidents(t.Context(), disk, nil, slog.New(slog.NewTextHandler(&text, nil)))
	if err != nil || len(is.List(10)) != 0 || strings.Count(text.String(), "level=WARN") != 2 {
		t.Errorf("listed %v (error %v), and the log is %s", is.List(10), err, text.String())
	}
	ended, end := context.WithCancel(t.Context())
	end()
	is.Run(ended)
	if len(disk.asOfNow().kept) != 0 {
		t.Errorf("the next process finds them again: %q", disk.kept)
	}
}

// What an earlier process left undeleted beyond the newest 200 is deleted, as
// soon as the store takes it.
func TestIncidents_DeleteWhatIsTooOldOnceTheStoreIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &shelf{kept: map[string][]byte{}}
		for n := range 205 {
			id := fmt.Sprintf("%03d", n)
			disk.kept["incidents/"+id] = []byte(`{"id":"` + id + `","ended":"2000-01-01T00:00:00Z"}`)
		}
		is, err := watch.NewIncidents(t.Context(), disk, nil, quiet)
		if err != nil {
			t.Fatal(err)
		}
		if list := is.List(1000); len(list) != 200 || list[0].ID != "204" || list[199].ID != "005" {
			t.Errorf("lists %d", len(list))
		}
		disk.be(true)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		wg.Go(func() { is.Run(ctx) })
		pass(10 * time.Second)
		disk.be(false)
		pass(2 * time.Second)
		kept := disk.asOfNow().kept
		if _, first := kept["incidents/005"]; len(kept) != 200 || !first {
			t.Errorf("%d are stored, the oldest wanted among them: %v", len(kept), first)
		}
	})
}

// A store that is away is told once, and again when it goes away again.
func TestIncidents_SayOnceThatTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		disk := &shelf{kept: map[string][]byte{}}
		is, err := watch.NewIncidents(t.Context(), disk, nil, slog.New(slog.NewTextHandler(&text, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		wg.Go(func() { is.Run(ctx) })
		is.Begin(watch.KindCircuit, "faults", time.Now())
		for round := 1; round <= 2; round++ {
			pass(500 * time.Millisecond)
			disk.be(true)
			pass(time.Minute)
			if n := strings.Count(text.String(), "incidents cannot be kept"); n != round {
				t.Errorf("said %d times, want %d:\n%s", n, round, text.String())
			}
			disk.be(false)
			pass(time.Minute)
		}
	})
}

func TestIncidents_OutliveARestartInTheRealStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	synctest.Test(t, func(t *testing.T) {
		var id string
		for _, life := range []func(p *process){
			func(p *process) {
				p.Begin(watch.KindCircuit, "faults", time.Now())
				id = p.Current()
				p.CountAnswer(watch.Answer{Decision: "deny", Cause: "circuit_open"})
			},
			func(p *process) {
				p.Begin(watch.KindCircuit, "faults", time.Now())
				if p.Current() != id || count(p.List(1)[0], "deny", "circuit_open") != 1 {
					t.Errorf("after the restart it is %q with %+v, was %q", p.Current(), p.List(1), id)
				}
			},
		} {
			s, err := bolt.Open(path, quiet)
			if err != nil {
				t.Fatal(err)
			}
			p := open(t, s)
			life(p)
			p.stop()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
