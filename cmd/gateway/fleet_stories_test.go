package main

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"captchagate/admin"
	"captchagate/simulator"
)

// A switch thrown at any of them reaches all; without Redis it holds where it was thrown,
// and on all once Redis is back, empty as it is (F1).
func oneSwitch(c *crew) {
	slowest := time.Duration(0)
	for i := range 20 {
		mode := []string{"degraded", "auto"}[i%2]
		c.throws(i%3, mode)
		slowest = max(slowest, c.hold(mode))
	}
	c.within("F1", "the slowest of 20 switches held everywhere", slowest, time.Second)

	c.redis.Kill()
	c.all("know that Redis is away", func(s admin.Status) bool { return s.Fleet.Redis == "down" })
	c.throws(1, "degraded")
	<-time.After(time.Second)
	for i, h := range c.houses {
		if forced("degraded")(h.status()) != (i == 1) {
			c.Errorf("F1: without Redis the switch thrown at instance 1 holds at %d, or not where it was thrown", i)
		}
	}
	c.redis.Restart()
	c.within("F1", "without Redis one of three heard; on all after its return", c.hold("degraded"), time.Second)
	c.throws(2, "auto")
	c.hold("auto")
	c.become("closed")
}

var runs = regexp.MustCompile(`cmdstat_([a-z|_]+):calls=(\d+)`)

// commands are how often Redis was told what.
func (c *crew) commands() map[string]int {
	told := map[string]int{}
	for _, found := range runs.FindAllStringSubmatch(c.redis.Do("INFO commandstats"), -1) {
		told[found[1]], _ = strconv.Atoi(found[2])
	}
	return told
}

// beats are how many scripts all ran for which nobody waited, however many requests came.
func (c *crew) beats() int { return c.counted("beat") + c.counted("tend") }

// counted is how many calls of Redis of a kind all have made.
func (c *crew) counted(call string) (n int) {
	for i := range c.houses {
		n += int(c.counters(i)[`captchagate_redis_seconds_count{call="`+call+`"}`])
	}
	return n
}

// Requests that the API decides ask Redis nothing: all that it is told are beats, and that queues have their owners (F6).
func asksNoRedis(c *crew) {
	const many = 300
	beats, before := c.beats(), c.commands()
	for n := range many {
		if a := c.asks(n%3, c.api.user(c.T, "login")); a.Reason != "verified" {
			c.Fatalf("a good ticket: %v", a)
		}
	}
	after := c.commands()
	made, _ := c.calls()
	scripts := after["evalsha"] + after["eval"] - before["evalsha"] - before["eval"]
	beats = c.beats() - beats
	noted := c.counted("mark") + c.counted("release") // of calls that stood, on a busy machine: nobody waited
	made -= noted
	scripts -= noted
	c.Logf("F6: %d requests of normal mode: %d scripts of Redis, and %d beats meanwhile; %d calls for requests", many, scripts, beats, made)
	if scripts > beats || made != 0 {
		c.Errorf("F6: %d requests cost Redis %d scripts in %d beats, and %d calls", many, scripts, beats, made)
	}
	for _, command := range []string{"get", "set", "exists", "del"} {
		if n := after[command] - before[command]; n != 0 && noted == 0 {
			c.Errorf("F6: %d requests cost Redis %d times %s", many, n, command)
		}
	}
}

// races has all instances be asked the same at once, for each of n questions, and returns
// how many were answered so by more than one, and by none.
func (c *crew) races(n int, question func() map[string]string, reason string) (twice, never int) {
	var doubles, none atomic.Int64
	var wg sync.WaitGroup
	for lane := range 4 {
		wg.Go(func() {
			for range n/4 + min(1, max(0, n%4-lane)) {
				let := 0
				for _, a := range c.atOnce(question()) {
					if a.Reason == reason {
						let++
					}
				}
				doubles.Add(int64(max(let-1, 0)))
				if let == 0 {
					none.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(doubles.Load()), int(none.Load())
}

// A ticket that all instances are asked about at once lets one user in (F7).
func aTicketOnce(c *crew) {
	c.throws(0, "degraded")
	c.hold("degraded")
	c.fills("crowd")
	_, before := c.calls()
	many := length(300, 10_000)
	twice, never := c.races(many, func() map[string]string { return c.api.user(c.T, "crowd") }, "degraded_allow")
	_, after := c.calls()
	lost := after - before
	c.Logf("F7: of %d tickets at three instances at once %d let a second one in and %d nobody; %d calls of Redis lost", many, twice, never, lost)
	if twice > lost || never > lost { // a call that is lost leaves an instance alone with its word
		c.Errorf("F7: %d tickets let a second one in and %d nobody, where %d calls were lost", twice, never, lost)
	}
}

// fills waits until a budget gives at all instances: that of a new fleet is empty, and
// Redis must have answered in time for a while.
func (c *crew) fills(scene string) {
	c.Helper()
	eventually(c.T, "the budget gives", func() bool {
		_, before := c.calls()
		for i := range c.houses {
			if c.front(i) != "" && c.asks(i, c.api.user(c.T, scene)).Reason != "degraded_allow" {
				return false
			}
		}
		_, after := c.calls()
		return before == after
	})
}

// A solution that is brought to all instances at once counts once; and one whose
// challenge was issued, or that was used, before Redis lost everything counts not at all
// (F7).
func aSolutionOnce(c *crew) {
	const solved = "challenge_solved"
	many := length(40, 2000)
	twice, never := c.races(many, c.solution, solved)
	c.Logf("F7: of %d solutions at three instances at once %d counted twice, and %d not at all", many, twice, never)
	if twice > 0 || never == many { // one that Redis did not answer for in time is asked for anew
		c.Errorf("F7: of %d solutions %d counted twice, %d not at all", many, twice, never)
	}
	issued, spent := c.solution(), c.solution()
	c.asks(0, spent)
	c.redis.Do("FLUSHALL")
	again := 0
	for range length(10, 50) {
		for _, question := range []map[string]string{issued, spent} {
			for _, a := range c.atOnce(question) {
				if a.Reason == solved {
					again++
				}
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	c.Logf("F7: issued or spent before a FLUSHALL: %d counted after it", again)
	if again > 0 {
		c.Errorf("F7: solutions of before a FLUSHALL counted %d times", again)
	}
	eventually(c.T, "new ones count", func() bool { return c.asks(1, c.solution()).Reason == solved })
}

// solution is what a user brings who was asked for a challenge, and solved it as a browser
// does.
func (c *crew) solution() map[string]string {
	user := c.api.user(c.T, "login")
	puzzle := c.asks(0, user).Challenge
	solution, ok := solve(puzzle)
	if !ok {
		c.Errorf("a challenge has no solution: %s", puzzle)
		return user
	}
	return map[string]string{"scene": "login", "user_ip": user["user_ip"], "challenge": solution}
}

// solve solves a challenge.
func solve(puzzle json.RawMessage) (solution string, ok bool) {
	var p struct {
		Parameters struct {
			Nonce, Salt string
			Cost        int
		}
	}
	_ = json.Unmarshal(puzzle, &p) // or no solution is found
	nonce, _ := hex.DecodeString(p.Parameters.Nonce)
	salt, _ := hex.DecodeString(p.Parameters.Salt)
	for counter := range uint32(100_000) {
		password := string(binary.BigEndian.AppendUint32(slices.Clip(nonce), counter))
		key, err := pbkdf2.Key(sha256.New, password, salt, p.Parameters.Cost, 32)
		if err != nil {
			break
		}
		if key[0] == 0 {
			text, _ := json.Marshal(map[string]any{
				"challenge": puzzle, "solution": map[string]any{"counter": counter, "derivedKey": hex.EncodeToString(key), "time": 1.5},
			})
			return base64.StdEncoding.EncodeToString(text), true
		}
	}
	return "", false
}

// However users are spread, the fleet gives what its budget has; a flush of Redis buys
// nothing, and without Redis each instance gives its part, so that all together give no
// more (F9).
func oneBudget(c *crew) {
	rate := narrowBudget()
	long := length(2*time.Second, 20*time.Second)
	c.fills("narrow")
	stop := c.users("narrow", 4*rate, 80, 15, 5)
	measure := func() (times [2]time.Time) {
		times[0] = time.Now()
		<-time.After(long)
		times[1] = time.Now()
		return times
	}
	<-time.After(2 * time.Second) // until what it had at once is spent
	_, before := c.calls()
	shared := measure()
	_, after := c.calls()
	c.redis.Do("FLUSHALL")
	flushed := measure()
	c.redis.Stop()
	stopped := measure()
	c.redis.Continue()
	answers := stop()
	c.noneFailed(answers)
	for _, part := range []struct {
		name  string
		times [2]time.Time
		least float64 // of the budget
		slack int     // that may be given besides
	}{
		{"balance 80/15/5", shared, 0.99, after - before},
		{"after a FLUSHALL", flushed, 0, 0},
		{"with Redis stopped", stopped, 0, rate}, // the parts are full buckets
	} {
		let, had := allowed(answers, part.times[0], part.times[1]), float64(rate)*part.times[1].Sub(part.times[0]).Seconds()
		c.Logf("F9: %s: %d let through, %.0f were in the budget", part.name, let, had)
		if float64(let) > had*1.01+2+float64(part.slack) {
			c.Errorf("F9: %s: %d were let through, of %.0f", part.name, let, had)
		}
		if *full && float64(let) < had*part.least-2 {
			c.Errorf("F9: %s: %d were let through, of %.0f", part.name, let, had)
		}
	}
	c.seeEachOther(3)
}

// Redis stopped, killed and emptied under load fails no request, and is found again (F5);
// while it stands an instance ends and starts as ever (F6).
func redisIsNeverInTheWay(c *crew) {
	stop := c.users("crowd", 40, 1, 1, 1)
	for _, fault := range []struct {
		name       string
		begin, end func()
	}{
		{"stopped", func() { c.redis.Stop(); c.restarts(2) }, c.redis.Continue},
		{"killed", c.redis.Kill, c.redis.Restart},
		{"emptied", func() { c.redis.Do("FLUSHALL") }, func() {}},
	} {
		fault.begin()
		<-time.After(length(time.Second, 5*time.Second))
		fault.end()
		c.within("F5", "Redis "+fault.name+" was known again", c.seeEachOther(3), time.Second)
	}
	answers := stop()
	slowest := time.Duration(0)
	for _, a := range answers {
		slowest = max(slowest, a.took)
	}
	c.Logf("F5: of %d degraded answers none may fail; the slowest took %v", c.noneFailed(answers), slowest.Round(time.Millisecond))
	c.throws(0, "auto")
	c.hold("auto")
	c.become("closed")
}

// restarts ends an instance as an operator does, and starts it again.
func (c *crew) restarts(i int) {
	c.Helper()
	c.gets(i, "")
	began := time.Now()
	c.houses[i].gateway.signal(c.T, syscall.SIGTERM, 0, patience)
	ended := time.Now()
	c.begins(i)
	c.within("F6", "an instance ended while Redis stood", ended.Sub(began), time.Second)
	c.within("F6", "an instance started while Redis stood", time.Since(ended), time.Second)
}

// opened are when an instance's circuit last became so, and how often it changed.
func opened(s admin.Status, to string) (at time.Time) {
	for _, change := range s.Breaker.Transitions { // the newest first
		if change.To == to {
			return change.At
		}
	}
	return at
}

// An instance whose own way to the API is broken opens alone, and the others go on (F2).
func oneIllInstance(c *crew) {
	own := simulator.New(simulator.Config{})
	if err := own.SetFault(simulator.Fault{Kind: simulator.InternalError}); err != nil {
		c.Fatal(err)
	}
	before := [2]int{len(c.houses[0].status().Breaker.Transitions), len(c.houses[1].status().Breaker.Transitions)}
	stop := c.users("login", 40, 1, 1, 1)
	<-time.After(time.Second)
	c.api.doors[2].leads.Store(own)
	eventually(c.T, "the ill one is open", func() bool { s := c.houses[2].status(); return s.Breaker.State != "closed" && s.Fleet.Ill == 1 })
	<-time.After(length(2*time.Second, 30*time.Second))
	for i := range 2 {
		s := c.houses[i].status()
		changes := len(s.Breaker.Transitions) - before[i]
		c.Logf("F2: instance %d beside an ill one: %s, %d transitions; the fleet is %s", i, s.Breaker.State, changes, s.Fleet.State)
		if s.Breaker.State != "closed" || changes != 0 || s.Fleet.State != "closed" {
			c.Errorf("F2: an ill instance took instance %d along: %+v", i, s.Breaker)
		}
	}
	c.api.doors[2].leads.Store(c.api.Simulator)
	c.become("closed")
	c.noneFailed(stop())
}

// In an outage all open; one probes, and killed while it does is followed by another; who
// joins opens at once, who leaves is missed by nobody; and all recover together (F3, F4,
// F10, C3).
func oneProber(c *crew) {
	stop := c.users("login", length(40, 100), 1, 1, 1)
	<-time.After(time.Second)
	c.api.breaks(c.T, simulator.Hang)
	c.become("open", "half_open")
	c.within("F3", "from the first to the last that opened", c.spread("open"), time.Second)
	begun := time.Now()
	kills, longest, joined := length(3, 25), time.Duration(0), time.Duration(0)
	for range kills {
		by := c.awaitProbe(time.Now())
		c.gets(by, "")
		killed := time.Now()
		c.houses[by].gateway.kill(c.T)
		c.awaitProbe(killed)
		probes := c.api.since(killed)
		longest = max(longest, probes[0].began.Sub(killed))
		c.begins(by)
		joined = max(joined, c.become("open", "half_open"))
	}
	c.within("F4", fmt.Sprintf("longest time without a probe after %d kills of the prober", kills), longest, 2*time.Second)
	c.within("F4", "slowest that joined and was open", joined, time.Second)
	c.leaves(c.awaitProbe(time.Now()))
	probes := c.api.since(begun)
	c.Logf("F4: %d probes in %v, %d of them while another was there", len(probes), time.Since(begun).Round(time.Second), together(probes))
	if n := together(probes); n > 0 {
		c.Errorf("F4: %d probes began while another was there", n)
	}
	c.api.ClearFault()
	ended := time.Now()
	c.become("recovering", "closed")
	c.within("C6", "all recovering after the end", time.Since(ended), 6*time.Second)
	c.within("F10", "from the first to the last that recovered", c.spread("recovering"), time.Second)
	c.become("closed")
	c.noneFailed(slices.DeleteFunc(stop(), func(a answer) bool { return strings.Contains(a.failed, "EOF") || strings.Contains(a.failed, "reset") })) // those had a killed one's word
}

// spread is from when the first to when the last that runs changed so.
func (c *crew) spread(to string) time.Duration {
	var first, last time.Time
	for i, h := range c.houses {
		if c.front(i) == "" {
			continue
		}
		at := opened(h.status(), to)
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return last.Sub(first)
}

// awaitProbe waits for a probe that came after a time and is there, and returns whose.
func (c *crew) awaitProbe(after time.Time) (by int) {
	c.Helper()
	eventually(c.T, "a probe comes", func() bool {
		for _, p := range c.api.since(after) {
			if by = p.by; p.ended.IsZero() {
				return true
			}
		}
		return false
	})
	return by
}

// leaves ends an instance as an operator does, while it probes, and has it join again.
func (c *crew) leaves(i int) {
	c.Helper()
	c.gets(i, "")
	told := time.Now()
	c.houses[i].gateway.signal(c.T, syscall.SIGTERM, 0, patience)
	c.Logf("F6: an instance ended %v after SIGTERM, in an outage", time.Since(told).Round(time.Millisecond))
	c.all("see that one has left", func(s admin.Status) bool { return s.Fleet.Alive == 2 })
	c.awaitProbe(told)
	c.begins(i)
	c.seeEachOther(3)
	c.become("open", "half_open")
}
