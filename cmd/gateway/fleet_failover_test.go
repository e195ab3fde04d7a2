package main

import (
	"testing"
	"time"

	"captchagate/store/redis/redistest"
)

// A server that dies is replaced by its replica, by sentinels or within a Cluster, while
// each answer asks for a budget: no request fails, and the fleet finds the new one, whose
// budgets begin empty (F5, F9).
func TestServe_FollowsAFailover(t *testing.T) {
	t.Parallel()
	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()
		master, url := redistest.StartSentinels(t)
		newCrew(t, url).survives("Sentinel", func() *redistest.Server { return master })
	})
	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartCluster(t)
		newCrew(t, cluster.Hosts()).survives("Cluster", cluster.Owner)
	})
}

// survives has a server die that others replace.
func (c *crew) survives(by string, server func() *redistest.Server) {
	c.throws(0, "degraded")
	c.hold("degraded")
	c.fills("crowd")
	dies := server()
	stop := c.users("crowd", length(40, 500), 1, 1, 1)
	<-time.After(time.Second)
	const unasked, asked = `captchagate_redis_refused_total{call="take"}`, `captchagate_redis_seconds_count{call="take"}`
	before := c.each(unasked)
	dies.Kill()
	killed := time.Now()
	c.grows("all go on without Redis", unasked, before, 1)
	before = c.each(asked)
	c.grows("all ask Redis again", asked, before, 10) // more than may be on their way
	c.within("F5", by+": all ask a new server after", time.Since(killed), 10*time.Second)
	c.fills("crowd")
	c.Logf("F9: %s: its budgets give again after %v", by, time.Since(killed).Round(time.Millisecond))
	c.throws(1, "auto")
	c.hold("auto")
	answers := stop()
	slowest := time.Duration(0)
	for _, a := range answers {
		slowest = max(slowest, a.took)
	}
	c.Logf("F5: %s: of %d requests none may fail; the slowest took %v", by, c.noneFailed(answers), slowest.Round(time.Millisecond))
}

// each is what a counter says at each instance.
func (c *crew) each(counter string) (n [3]float64) {
	c.Helper()
	for i := range c.houses {
		n[i] = c.counters(i)[counter]
	}
	return n
}

// grows waits until a counter has grown by that much at each instance.
func (c *crew) grows(what, counter string, before [3]float64, by float64) {
	c.Helper()
	eventually(c.T, what, func() bool {
		now := c.each(counter)
		return now[0]-before[0] >= by && now[1]-before[1] >= by && now[2]-before[2] >= by
	})
}
