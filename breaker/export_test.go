package breaker

import "time"

// Tick has the breaker look once at its calls in flight, as Run does every 10 ms:
// a test that does not call Run stands still itself between two calls of Tick.
func (b *Breaker) Tick() { b.watchdog.tick(time.Now()) }
