package once

// Len returns how many answers are in memory, those on their way included;
// some may have expired.
func (a *Answers[T]) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.answers)
}

// Len returns how many keys the set holds in memory; some may have expired.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.places)
}
