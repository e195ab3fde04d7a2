package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A hook is the webhook of a fleet, and counts how often each decision was reported.
type hook struct {
	*httptest.Server

	mu    sync.Mutex
	times map[string]int
}

func newHook(t *testing.T) *hook {
	h := &hook{times: map[string]int{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

// ServeHTTP acknowledges reports.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Reports []struct {
			ID string `json:"decision_id"`
		}
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return // the instance was killed
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, report := range body.Reports {
		h.times[report.ID]++
	}
	w.WriteHeader(http.StatusNoContent)
}

// reported is how many of some decisions were reported, and how often that is in all.
func (h *hook) reported(ids []string) (decisions, times int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		times += h.times[id]
		decisions += min(h.times[id], 1)
	}
	return decisions, times
}

// What an instance that is killed had to ask again one of the others asks and reports, each
// decision once (S6, S9). Nobody is adopted before ten seconds of silence, which is too long
// for every day; TestKeeper_AnInstanceThatDiesLeavesItsQueue has it in virtual time.
func anAdoption(c *crew) {
	if !*full {
		return
	}
	const users = 10
	c.throws(0, "degraded")
	c.hold("degraded")
	var ids []string
	eventually(c.T, "users are let in", func() bool {
		body, _ := json.Marshal(c.api.user(c.T, "crowd")) // texts
		var a struct {
			ID     string `json:"decision_id"`
			Reason string
		}
		_, text := ask(c.T, http.MethodPost, "http://"+c.front(2)+"/v1/verify", string(body))
		if json.Unmarshal(text, &a) == nil && a.Reason == "degraded_allow" {
			ids = append(ids, a.ID)
		}
		return len(ids) == users
	})
	eventually(c.T, "Redis has copies of all", func() bool {
		var copies strings.Builder
		for name := range strings.FieldsSeq(c.redis.Do("KEYS *:queue:*")) {
			if strings.Contains(name, ":queue:") {
				copies.WriteString(c.redis.Do("HKEYS " + name))
			}
		}
		for _, id := range ids {
			if !strings.Contains(copies.String(), id) {
				return false
			}
		}
		return true
	})
	c.gets(2, "")
	c.houses[2].gateway.kill(c.T)
	killed := time.Now()
	c.throws(0, "auto")
	eventually(c.T, "all are reported", func() bool {
		decisions, _ := c.hook.reported(ids)
		return decisions == users
	})
	c.Logf("S6: what an instance that was killed had to ask again was reported by another one %v later", time.Since(killed).Round(100*time.Millisecond))
	c.begins(2)
	c.seeEachOther(3)
	c.become("closed")
	if _, times := c.hook.reported(ids); times != users {
		c.Errorf("%d decisions were reported %d times", users, times)
	}
}
