package gateway

// BreakStore takes the store away under a gateway that goes on.
func (g *Gateway) BreakStore() error { return g.store.Close() }
