package gateway_test

import (
	"testing"

	"captchagate/simulator"
)

// A ticket that was let in at one instance just before everything in Redis was lost lets
// nobody in at another one after that (F7).
func TestFleet_LetsNobodyInAgainAfterAFlush(t *testing.T) {
	s := inStreet(t, 3, nil)
	s.forces("degraded")
	for round := range 3 {
		used := fields{}
		s.until("a ticket is let in", func() bool {
			used = s.houses[round].user("comment", simulator.TicketValid)
			return s.houses[round].ask(used).Decision == "allow"
		})
		s.redis.Do("FLUSHALL")
		before := s.lost()
		again := 0
		s.until("tickets let in again", func() bool { // with the used one asked for all the time
			for _, a := range s.asks(used) {
				if a.Decision == "allow" {
					again++
				}
			}
			return s.houses[round].ask(s.houses[round].user("comment", simulator.TicketValid)).Decision == "allow"
		})
		if again > 0 && s.lost() == before { // else Redis was away for some, on a busy machine
			t.Errorf("a ticket was let in %d times more after a flush", again)
		}
	}
}
