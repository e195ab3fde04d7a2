package gateway

import (
	"fmt"
	"sync"
	"time"

	"captchagate/admin"
)

// troubleFor is how long after the last user whom the store kept out that is still so.
const troubleFor = time.Minute

// storeTrouble knows how many users were not let through because the store took no
// writes, or the queue for re-verification is full. Their answers say budget_spent,
// which looks like an attack.
type storeTrouble struct {
	audit   func(summary string, detail any, over bool)
	healthy func() bool

	mu    sync.Mutex
	now   admin.StoreTrouble // Users is 0 if there is none
	last  time.Time
	total float64
	ill   trouble // the store takes no writes
}

// met counts a user who was kept out.
func (s *storeTrouble) met(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now().UTC()
	s.total++
	if s.now.Users++; s.now.Users == 1 {
		s.now.Since, s.now.Error = s.last, err.Error()
		s.audit("users are not let through, because it cannot be kept whom to ask about later; that is not the budget, whatever the answers' cause says: "+err.Error(), s.now, false)
	}
}

// observe notices that it is over. The switch tells it to look, every second.
func (s *storeTrouble) observe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observeHealth()
	if s.now.Users == 0 || time.Since(s.last) < troubleFor {
		return
	}
	s.audit(fmt.Sprintf("nobody was kept out by the store for a minute; before that %d users were", s.now.Users), s.now, true)
	s.now = admin.StoreTrouble{}
}

// observeHealth tells of a store that takes no writes for long, while nobody is kept out
// by that yet. s.mu is held.
func (s *storeTrouble) observeHealth() {
	const away = "the store takes no writes"
	text := ""
	if !s.healthy() {
		text = away
	}
	switch changed := s.ill.observe(time.Now(), text); {
	case changed && text != "":
		s.audit(away+": while that lasts nobody is let through unverified, and a restart forgets what happens now; look at the disk of store.path", nil, false)
	case changed:
		s.audit("the store takes writes again", nil, true)
	}
}

// status is nil if there is none.
func (s *storeTrouble) status() *admin.StoreTrouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Users == 0 {
		return nil
	}
	now := s.now
	return &now
}

// keptOut is how many users were, ever.
func (s *storeTrouble) keptOut() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
