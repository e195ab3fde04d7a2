package connlimit

import "time"

// StandStill has the limiter believe that d went by since its last beat.
func (l *Limiter) StandStill(d time.Duration) { l.born = l.born.Add(-d) }
