package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/sla"
)

// What the gateway counts for the service levels is what reached the API, over real
// connections and on a busy machine too: every call that hung while probes were answered, and
// every 502, and none besides. O2
func TestServe_CountsServiceLevelsAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	h := newHouse(t,
		"GATEWAY__UPSTREAM__ATTEMPT_TIMEOUT=3s", "GATEWAY__UPSTREAM__DEADLINE=7s",
		"GATEWAY__BREAKER__SLOW_CALL=3s", "GATEWAY__BREAKER__PROBE__TIMEOUT=30s")
	h.agrees("in peace", 0, func() { h.crowd(20) })
	h.agrees("in a brown-out", 1, func() {
		h.fault(`{"kind":"http_502","share":0.1}`)
		h.crowd(60)
		h.fault("")
	})
	h.agrees("while calls hang beside answered probes", 10, func() {
		h.fault(`{"kind":"hang","spare_disaster":true}`)
		for began := time.Now(); h.status().Breaker.State == "closed" && time.Since(began) < patience; {
			h.crowd(20)
		}
		h.fault("")
		eventually(t, "the circuit closes", func() bool { return h.status().Breaker.State == "closed" })
	})
}

// crowd has users ask at once, each from a place of their own, and waits for all.
func (h *house) crowd(users int) {
	h.t.Helper()
	_, body := ask(h.t, http.MethodPost, "http://"+h.simulator+"/_sim/tickets", fmt.Sprintf(`{"kind":"valid","count":%d}`, users))
	var tickets []ticket
	if err := json.Unmarshal(body, &tickets); err != nil || len(tickets) != users {
		h.t.Fatalf("%v, %d tickets", err, len(tickets))
	}
	var asking sync.WaitGroup
	for i, one := range tickets {
		question := fmt.Sprintf(`{"ticket":%q,"randstr":%q,"user_ip":"203.0.%d.7","scene":"login"}`, one.Ticket, one.Randstr, i)
		asking.Go(func() { ask(h.t, http.MethodPost, "http://"+h.gateway.listen+"/v1/verify", question) })
	}
	asking.Wait()
}

// both are what the API counted, and the gateway.
type both struct{ requests, failed, counted, countedFailed int64 }

func (b both) since(before both) both {
	return both{b.requests - before.requests, b.failed - before.failed, b.counted - before.counted, b.countedFailed - before.countedFailed}
}

func (h *house) counts() both {
	h.t.Helper()
	var api struct {
		Requests int64            `json:"requests"`
		ByFault  map[string]int64 `json:"by_fault"`
	}
	var levels sla.Report
	_, body := ask(h.t, http.MethodGet, "http://"+h.simulator+"/_sim/stats", "")
	_, counted := ask(h.t, http.MethodGet, "http://"+h.gateway.admin+"/admin/v1/sla", "")
	if err := errors.Join(json.Unmarshal(body, &api), json.Unmarshal(counted, &levels)); err != nil {
		h.t.Fatalf("%v in %s, %s", err, body, counted)
	}
	return both{api.Requests, api.Requests - api.ByFault["none"], levels.Requests, levels.Failed}
}

// agrees plays a story and waits until the gateway has counted of it what the API has, with
// at least so many failures. One in which the gateway's process stood still itself is played
// again: then nobody knows what was answered meanwhile.
func (h *house) agrees(when string, least int64, story func()) {
	h.t.Helper()
	var got both
	for began := time.Now(); time.Since(began) < patience; {
		before, stood := h.counts(), h.standstills()
		story()
		for waited := time.Now(); time.Since(waited) < patience/6; <-time.After(50 * time.Millisecond) {
			if got = h.counts().since(before); got.requests == got.counted && got.failed == got.countedFailed {
				break
			}
		}
		if h.standstills() == stood {
			break
		}
	}
	h.t.Logf("%s: the API %d of %d requests failed, the gateway %d of %d", when, got.failed, got.requests, got.countedFailed, got.counted)
	if got.requests != got.counted || got.failed != got.countedFailed || got.failed < least {
		h.t.Errorf("%s: they differ, or fewer than %d failed", when, least)
	}
}

func (h *house) standstills() int {
	return strings.Count(h.gateway.stderr.String(), "this process stood still")
}
