package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// The same request at another instance gets the answer of the first (A6, A7).
func oneAnswer(c *crew) {
	type answered struct {
		ID     string `json:"decision_id"`
		Reason string
	}
	key := 0
	asks := func(i int, question map[string]string) (a answered, status int) {
		body, _ := json.Marshal(question) // texts
		status, text := ask(c.T, http.MethodPost, "http://"+c.front(i)+"/v1/verify", string(body), "Idempotency-Key: key "+strconv.Itoa(key))
		_ = json.Unmarshal(text, &a)
		return a, status
	}
	eventually(c.T, "all give one answer", func() bool { // where Redis answers in time
		question := c.api.user(c.T, "login")
		key++ // an instance that went by itself remembers the last one otherwise
		first, status := asks(0, question)
		second, _ := asks(1, question)
		third, _ := asks(2, question)
		question["reference"] = "another"
		if _, other := asks(1, question); status != http.StatusOK || other != http.StatusConflict {
			return false
		}
		return first.Reason == "verified" && second == first && third == first
	})
}

// The outage that is just over is one incident, whichever instance is asked.
func oneIncident(c *crew) {
	type incident struct {
		ID    string
		Ended *time.Time
	}
	newest := func(i int) (found incident) {
		_, text := ask(c.T, http.MethodGet, "http://"+c.houses[i].gateway.admin+"/admin/v1/incidents", "")
		var list struct{ Incidents []incident }
		if json.Unmarshal(text, &list) == nil && len(list.Incidents) > 0 {
			found = list.Incidents[0]
		}
		return found
	}
	began := time.Now()
	eventually(c.T, "the outage is one incident, and over", func() bool {
		first := newest(0)
		for i := range c.houses {
			if found := newest(i); found.ID != first.ID || found.Ended == nil {
				return false
			}
		}
		return true
	})
	c.Logf("the outage was one incident on all %v after it ended", time.Since(began).Round(time.Millisecond))
}
