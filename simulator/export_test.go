package simulator

// SpentTickets is how many used tickets s remembers.
func (s *Simulator) SpentTickets() (n int) {
	s.spent.mu.Lock()
	defer s.spent.mu.Unlock()
	for _, ids := range s.spent.byMinute {
		n += len(ids)
	}
	return n
}

// ScriptText is the page script before a fault is put in.
func ScriptText() string { return scriptText }
