package gateway_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// full has the trials of docs/reliability.md be played at full length: "make reliability".
var full = flag.Bool("full", false, "play the trials of docs/reliability.md")

// Ninety minutes without the API at 300 requests a second, of which 200 are let through:
// what the store and the memory hold, and how long re-verification takes afterwards (S6).
func TestReliability_NinetyMinutes(t *testing.T) {
	if !*full {
		t.Skip(`"make reliability" plays it`)
	}
	const rate, let, lasts = 300, 200, 90 * time.Minute
	var path string
	inHouse(t, func(c *config.Config) {
		c.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: let, Per: time.Second}, For: 2 * time.Hour}, OverBudget: policy.Beyond(policy.Challenge)}
		c.Log.Level, c.Log.Decisions, path = "warn", "none", c.Store.Path
	}, func(h *house) {
		h.breaks(simulator.Fault{Kind: simulator.InternalError})
		rest, began, passes := alive(), time.Now(), 0
		for time.Since(began) < lasts {
			passes += h.second(rate)
			if at := time.Since(began).Round(time.Second); at == 15*time.Minute {
				t.Logf("FIGURE 90 minutes: after 15 minutes %d let through, store %.1f MB, heap %.1f MB (%.1f MB before)", passes, megabytes(path), alive(), rest)
			}
		}
		t.Logf("FIGURE 90 minutes at %d/s: %d let through, store %.1f MB, heap %.1f MB (%.1f MB before)", rate, passes, megabytes(path), alive(), rest)
		h.sim.ClearFault()
		ended := time.Now()
		h.awaits("closed", time.Minute)
		closed := time.Since(ended)
		for h.total("captchagate_reverified_total") < float64(passes) && time.Since(ended) < 6*time.Hour {
			time.Sleep(time.Second)
		}
		t.Logf("FIGURE 90 minutes: circuit closed %v after its end; the backlog worked off after %v: %v", closed, time.Since(ended), h.series("captchagate_reverified_total"))
	})
}

// second is one in which rate users come, thirty at once; it returns how many were let
// through.
func (h *house) second(rate int) int {
	const atOnce = 30
	tickets, err := h.sim.Issue(simulator.TicketValid, rate)
	if err != nil {
		h.t.Fatal(err)
	}
	var passes atomic.Int64
	var wg sync.WaitGroup
	for n, one := range tickets {
		if n%atOnce == 0 {
			wg.Wait()
			time.Sleep(time.Second * atOnce / time.Duration(rate))
		}
		h.users++
		body := fmt.Sprintf(`{"ticket":%q,"randstr":%q,"scene":"comment","user_ip":"10.%d.%d.1"}`, one.Ticket, one.Randstr, h.users/250%250, h.users%250)
		wg.Go(func() {
			r := httptest.NewRequestWithContext(h.t.Context(), http.MethodPost, "/v1/verify", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.g.Handler().ServeHTTP(w, r)
			var a struct{ Decision string }
			if err := json.NewDecoder(w.Body).Decode(&a); err != nil && err != io.EOF || w.Code != http.StatusOK {
				h.t.Errorf("%d %v", w.Code, err)
			}
			if a.Decision == "allow" {
				passes.Add(1)
			}
		})
	}
	wg.Wait()
	synctest.Wait()
	return int(passes.Load())
}

// alive is what is alive, in MB. What sync.Pools hold outlives one collection.
func alive() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

func megabytes(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(info.Size()) / (1 << 20)
}
