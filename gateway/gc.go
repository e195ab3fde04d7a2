package gateway

import "runtime/debug"

const (
	// usualPercent is Go's own garbage collection target, growth in percent.
	usualPercent = 100
	// sparePercent lets garbage grow to four times of what is alive. The gateway
	// keeps some tens of megabytes alive and makes a few kilobytes of garbage a
	// request, so that it would collect many times a second to save little.
	sparePercent = 400
	// spareUntil is how much memory, in bytes, that may take. What is alive stays
	// under a quarter of it by the bounds of the rooms, or it would be collected
	// without end.
	spareUntil = 2 << 30
)

// TuneGC trades memory for CPU in a process that is the gateway alone.
// What GOGC or GOMEMLIMIT say in its environment stands, where it is not what Go
// does anyway.
func TuneGC() {
	percent := debug.SetGCPercent(sparePercent)
	limit := debug.SetMemoryLimit(spareUntil)
	const none = 1<<63 - 1 // without GOMEMLIMIT
	if percent != usualPercent || limit != none {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
