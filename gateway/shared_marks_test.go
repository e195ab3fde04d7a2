package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

func ofFleet(i int, c *config.Config) {
	ofStreet(policy.Rate{N: 1000, Per: time.Second})(i, c)
	cheap(c)
}

// A solution is spent once on all instances, also if Redis lost everything between its
// challenge and its use, or between two uses (F7).
func TestFleet_SpendsASolutionOnce(t *testing.T) {
	s := inStreet(t, 3, ofFleet)
	s.forces("degraded")
	s.asksRedis()
	const solved = "allow challenge_solved degraded forced"
	solution := func() fields {
		status, puzzle := s.houses[0].fetches("login")
		if status != 200 {
			t.Fatal(status)
		}
		return fields{"scene": "login", "user_ip": "192.0.2.7", "challenge": s.houses[0].solve(puzzle)}
	}
	good := 0
	for range 10 {
		switch n := count(s.asks(solution()))[solved]; n {
		case 1:
			good++
		case 0: // an answer of Redis that came too late: challenged again
		default:
			t.Errorf("a solution was spent %d times", n)
		}
	}
	if good == 0 {
		t.Error("no solution counts")
	}
	before, between := solution(), solution()
	s.houses[0].ask(between)
	s.redis.Do("FLUSHALL")
	for range 10 {
		for name, f := range map[string]fields{"issued before a flush": before, "spent before a flush": between} {
			if got := count(s.asks(f)); got[solved] != 0 {
				t.Errorf("a solution %s: %v", name, got)
			}
		}
		<-time.After(200 * time.Millisecond)
	}
	s.until("a new one counts again", func() bool { return count(s.asks(solution()))[solved] == 1 })
}

// What the API refused on one instance lets nobody in on another, once that lets people
// through (A7).
func TestFleet_RemembersWhatWasRefused(t *testing.T) {
	s := inStreet(t, 2, ofFleet)
	var refused []fields
	for i := range 8 {
		kind := []string{simulator.TicketExpired, simulator.TicketEvil}[i%2]
		f := s.houses[0].user("comment", kind)
		s.houses[0].ask(f)
		refused = append(refused, f)
	}
	s.until("Redis has them", func() bool { return strings.Count(s.redis.Do("KEYS *refused:*"), "refused:") == 8 })
	s.forces("degraded")
	s.asksRedis()
	s.until("the other lets people through", func() bool {
		return s.houses[1].ask(s.houses[1].user("comment", simulator.TicketValid)).Decision == "allow"
	})
	before, let := s.lost(), 0
	for i, f := range refused {
		want := []string{"deny rejected normal -", "deny malicious normal -"}[i%2]
		if got := s.houses[1].ask(f); got.Decision == "allow" {
			let++
		} else if got.String() != want && got.Reason != "rejected" {
			t.Errorf("ticket %d: %v, want %s", i, got, want)
		}
	}
	if lost := s.lost() - before; let > lost {
		t.Errorf("%d of 8 refused tickets let somebody in, where %d calls were lost", let, lost)
	}
}

// A ticket that an attempt of one instance may have used up is of unknown fate on all
// (A6); one of which no attempt is known is used.
func TestFleet_KnowsUnknownFates(t *testing.T) {
	s := inStreet(t, 2, ofFleet)
	s.asksRedis()
	got := ""
	for range 5 { // an answer of Redis that comes too late leaves a calm fleet with the API's word
		f := s.houses[0].lost("login")
		s.until("Redis has it", func() bool { return strings.Contains(s.redis.Do("KEYS *fate:*"), "fate:") })
		if got = s.houses[1].ask(f).String(); got == "challenge outcome_unknown degraded upstream_fault" {
			break
		}
	}
	if got != "challenge outcome_unknown degraded upstream_fault" {
		t.Errorf("a ticket that the other instance lost: %s", got)
	}
	if got := s.houses[1].ask(s.houses[1].user("login", simulator.TicketUsed)); got.String() != "deny rejected normal -" {
		t.Errorf("a used ticket: %v", got)
	}
}

// While a call of one instance stands, another one that meets a 9 waits for its end: a
// pass is the first's alone, and only what was never answered is unknown (A2, A6).
func TestFleet_WaitsForACallThatStands(t *testing.T) {
	s := inStreet(t, 2, ofFleet)
	s.asksRedis()
	used, _ := json.Marshal(map[string]any{"Response": map[string]any{"CaptchaCode": 9, "CaptchaMsg": "ticket reuse", "RequestId": "r"}})
	for name, row := range map[string]struct {
		fault        simulator.Fault
		first, other string
	}{
		"answered late": {simulator.Fault{Kind: simulator.Slow, Latency: 600 * time.Millisecond, SpareDisaster: true}, "allow verified normal -", "deny rejected normal -"},
		"never":         {simulator.Fault{Kind: simulator.Hang, SpareDisaster: true}, "challenge challenge_required degraded upstream_fault", "challenge outcome_unknown degraded upstream_fault"},
	} {
		unheard := func() int { return s.missed("marked", "mark", "release") }
		s.fairly(unheard, func(int) {
			before := unheard()
			s.houses[0].breaks(row.fault)
			f := s.houses[0].user("login", simulator.TicketValid)
			first := make(chan answer, 1)
			go func() { first <- s.houses[0].ask(f) }()
			s.until("Redis knows that it stands", func() bool { return len(first) > 0 || strings.Contains(s.redis.Do("KEYS *stands:*"), "stands:") })
			s.houses[1].scripts(string(used))
			other := s.houses[1].ask(f)
			s.houses[1].scripts("")
			tried := (<-first).String() + "; " + other.String()
			s.sim.ClearFault()
			s.until("Redis knows that it is over", func() bool { return !strings.Contains(s.redis.Do("KEYS *stands:*"), "stands:") })
			if want := row.first + "; " + row.other; tried != want && unheard() == before {
				t.Errorf("%s: %s, want %s", name, tried, want)
			}
		})
	}
}

// No request that the API decides asks Redis, however many there are (F6): but for beats it
// has had no command, nor one of a request.
func TestFleet_NormalRequestsAskNoRedis(t *testing.T) {
	s := inStreet(t, 2, ofFleet)
	for range 50 {
		for _, h := range s.houses {
			if a := h.ask(h.user("comment", simulator.TicketValid)); a.Reason != "verified" {
				t.Fatalf("%v", a)
			}
		}
	}
	stats := s.redis.Do("INFO commandstats")
	for _, command := range []string{"get", "set", "exists"} {
		if command == "set" && s.counted("seconds_count", "mark") > 0 { // calls that stood, on a busy machine: nobody waited
			continue
		}
		if strings.Contains(stats, "cmdstat_"+command+":") {
			t.Errorf("Redis was asked: %s", stats)
		}
	}
	s.houses[0].ask(s.houses[0].user("comment", simulator.TicketUsed)) // a 9 asks, and a refusal is noted afterwards
	s.until("a refusal is noted", func() bool { return strings.Contains(s.redis.Do("INFO commandstats"), "cmdstat_set:") })
}
