package simulator

// SpentTickets is how many used tickets s remembers.
func (s *Simulator) SpentTickets() int { return s.spent.count() }

// ScriptText is the page script before a fault is put in.
func ScriptText() string { return scriptText }
