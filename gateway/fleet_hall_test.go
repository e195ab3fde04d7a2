package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/control"
	"captchagate/fleet"
	"captchagate/gateway"
	"captchagate/store/bolt"
)

// A desk is an instance's switch over a board in memory, in virtual time.
type desk struct {
	*control.Control

	member *fleet.Member
}

// A hall is desks of one fleet, and somebody who writes on their board.
type hall struct {
	*testing.T

	board  *fleet.Memory
	folder string
	desks  []*desk
	files  []*bolt.Store
	ends   sync.WaitGroup
}

// close closes the files, once those who write to them have ended.
func (h *hall) close() {
	h.ends.Wait()
	for _, file := range h.files {
		_ = file.Close()
	}
}

func (h *hall) opens(ctx context.Context) *desk {
	log := slog.New(slog.DiscardHandler)
	file, err := bolt.Open(filepath.Join(h.folder, fmt.Sprint(len(h.desks), ".db")), log)
	if err != nil {
		h.Fatal(err)
	}
	h.files = append(h.files, file)
	c, err := control.New(ctx, file, []string{"login"}, log)
	if err != nil {
		h.Fatal(err)
	}
	d := &desk{c, gateway.OpenSwitch(h.board, c, "the secret")}
	h.ends.Go(func() { d.member.Run(ctx) })
	h.ends.Go(func() { c.Run(ctx) })
	h.desks = append(h.desks, d)
	return d
}

func (h *hall) throws(d *desk, mode control.Mode) {
	if err := d.Set(h.Context(), control.Change{Mode: mode, Reason: "test", Actor: "ops"}); err != nil {
		h.Fatal(err)
	}
}

func (h *hall) allHold(mode control.Mode) bool {
	for _, d := range h.desks {
		if d.Mode() != mode {
			return false
		}
	}
	return true
}

// reads is what stands on the board.
func (h *hall) reads() fleet.View {
	return h.board.BeatAt(time.Now(), "memory", fleet.Report{ID: "forger", Leaves: true, Rules: fleet.Rules{Window: 2 * time.Second}})
}

// writes puts a switch in the place of what stands there.
func (h *hall) writes(r fleet.Register) {
	h.board.BeatAt(time.Now(), "memory", fleet.Report{ID: "forger", Leaves: true, Rules: fleet.Rules{Window: 2 * time.Second}, Void: h.reads().Switch, Switch: r})
}

// forgeries are what somebody may write who has an old switch and its audit entry, and
// not the secret.
func forgeries(t *testing.T, old fleet.View) map[string]func() fleet.Register {
	entry := old.News[fleet.Audit].Entries[0]
	var told struct{ Name string }
	if err := json.Unmarshal(entry[32:], &told); err != nil {
		t.Fatal(err)
	}
	ahead := func(body []byte) func() fleet.Register {
		return func() fleet.Register {
			return fleet.Register{Version: uint64(time.Now().Add(50 * time.Second).UnixMilli()), ID: "ff", Body: body}
		}
	}
	always := func(r fleet.Register) func() fleet.Register { return func() fleet.Register { return r } }
	return map[string]func() fleet.Register{
		"an old one as a new one": ahead(old.Switch.Body), "nothing as a new one": ahead([]byte{}), "something else as a new one": ahead([]byte(strings.Repeat("x", 100))),
		"an old one by another name": always(fleet.Register{Version: old.Switch.Version, ID: "zz", Body: old.Switch.Body}),
		"an entry of the audit":      always(fleet.Register{ID: told.Name, Body: entry}),
		"an old one":                 always(old.Switch),
	}
}

// Whatever somebody writes every two seconds, a few beats apart, in the place of the fleet's
// switch: a switch that is thrown reaches all meanwhile, an instance with an empty store too; what is old comes back
// nowhere, and at that one for a second at most, where it was written as it was; it is noticed,
// and all go by the same again after that (F1).
func TestFleet_NobodyElseMovesTheSwitch(t *testing.T) {
	for _, name := range []string{"an old one as a new one", "nothing as a new one", "something else as a new one", "an old one by another name", "an entry of the audit", "an old one"} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				h := &hall{T: t, board: fleet.NewMemory(), folder: folder}
				defer h.close()
				defer cancel()
				first := h.opens(ctx)
				h.opens(ctx)
				h.opens(ctx)
				time.Sleep(2 * time.Second)
				h.throws(first, control.Degraded)
				time.Sleep(2 * time.Second)
				forged := forgeries(t, h.reads())[name]
				h.throws(h.desks[1], control.Auto)
				time.Sleep(2 * time.Second)
				if !h.allHold(control.Auto) || !first.member.Meddled().IsZero() {
					t.Fatal("in peace a switch does not reach all, or somebody is said to write it")
				}
				back := time.Duration(0) // for so long something old held
				for beats := range 240 {
					if beats%40 == 0 {
						h.writes(forged())
					}
					switch beats {
					case 40: // with what was just written
						h.opens(ctx)
					case 90:
						h.throws(first, control.Normal)
					}
					time.Sleep(50 * time.Millisecond)
					for _, d := range h.desks {
						if d.Mode() == control.Degraded {
							back += 50 * time.Millisecond
						}
					}
					if beats == 190 && !h.allHold(control.Normal) {
						t.Error("a switch does not reach all in five seconds")
					}
				}
				if most := map[string]time.Duration{"an old one": 1100 * time.Millisecond}[name]; back > most {
					t.Errorf("an old switch held for %v", back)
				}
				time.Sleep(2 * time.Second)
				version, id := first.Held()
				if is := h.reads().Switch; !h.allHold(control.Normal) || is.Version != version || is.ID != id {
					t.Errorf("after it the board has %d %s, and not %d %s", is.Version, is.ID, version, id)
				}
				if !slices.ContainsFunc(h.desks, func(d *desk) bool { return !d.member.Meddled().IsZero() }) {
					t.Error("nobody noticed")
				}
			})
		})
	}
}

// Who goes by an older switch than others for five seconds is told of; who just has not heard
// of the newest, one after the other, is not, nor are those whom the only one that had it has
// left behind (F1).
func TestLaggards_AreThoseThatStayBehind(t *testing.T) {
	observe := gateway.OpenLaggards()
	at := time.Now()
	for i, step := range []struct {
		held []uint64
		want int
	}{
		{[]uint64{1, 1, 1}, 0},
		{[]uint64{2, 1, 1}, 0}, {[]uint64{3, 2, 2}, 0}, {[]uint64{4, 3, 3}, 0}, {[]uint64{5, 4, 4}, 0}, {[]uint64{5, 5, 5}, 0},
		{[]uint64{6, 5, 5}, 0}, {[]uint64{6, 5, 6}, 0}, {[]uint64{6, 5, 6}, 0}, {[]uint64{7, 5, 6}, 1}, {[]uint64{7, 7, 7}, 0},
		{[]uint64{8, 7, 7}, 0}, {[]uint64{7, 7}, 0}, {[]uint64{7, 7}, 0}, {[]uint64{7, 7}, 0}, {[]uint64{7, 7}, 0},
	} {
		at = at.Add(2 * time.Second)
		if got := observe(at, step.held...); got != step.want {
			t.Errorf("step %d, %v: %d are behind, want %d", i, step.held, got, step.want)
		}
	}
}
