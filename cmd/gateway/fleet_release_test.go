package main

import (
	"flag"
	"syscall"
	"testing"
	"time"

	"captchagate/store/redis/redistest"
)

var other = flag.String("other", "", "the gateway of another release, from which a fleet is upgraded: make fleet-mixed")

// A fleet of another release is upgraded one instance after the other, under load: no
// request fails, and all that holds for a fleet holds for one of both releases (F12).
func TestServe_UpgradesFromAnotherRelease(t *testing.T) {
	if *other == "" {
		t.Skip("it needs another release's program: make fleet-mixed")
	}
	server := redistest.Start(t)
	c := crewOf(t, server.URL(), *other)
	c.redis = server
	stop := c.users("login", 100, 1, 1, 1)
	c.becomesThis(0)
	c.Logf("F12: %d requests while the first instance was upgraded", c.noneFailed(stop()))
	c.tells(oneSwitch, asksNoRedis, aTicketOnce, aSolutionOnce, oneBudget, redisIsNeverInTheWay, oneIllInstance, oneProber)
	c.throws(0, "degraded")
	c.hold("degraded")
	stop = c.users("crowd", 100, 1, 1, 1)
	c.becomesThis(1)
	c.throws(1, "auto")
	c.hold("auto")
	c.becomesThis(2)
	c.Logf("F12: %d requests while the others were upgraded", c.noneFailed(stop()))
	c.tells(oneSwitch, aTicketOnce, redisIsNeverInTheWay, oneProber)
}

// becomesThis upgrades an instance as one does behind a load balancer.
func (c *crew) becomesThis(i int) {
	c.Helper()
	<-time.After(time.Second)
	c.gets(i, "")
	c.houses[i].gateway.signal(c.T, syscall.SIGTERM, 0, patience)
	c.houses[i].program = ""
	c.begins(i)
	c.seeEachOther(3)
	<-time.After(time.Second)
}
