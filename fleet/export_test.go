package fleet

// Holder is who has the lease.
func (m *Memory) Holder() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.board.holder
}

// State is that of the circuit.
func (m *Memory) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.board.state
}

// Epoch is that of the circuit.
func (m *Memory) Epoch() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.board.epoch
}
