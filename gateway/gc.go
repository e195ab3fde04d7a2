package gateway

import (
	"math"
	"runtime"
	"runtime/debug"
)

const (
	// usualPercent is Go's own garbage collection target, growth in percent.
	usualPercent = 100
	// growth lets garbage take half as much as is alive, in percent; of spare, in
	// bytes, it lets it take half besides. Little is alive in a gateway, and each
	// request leaves a few kilobytes: without spare the collector would run many
	// times a second to save little.
	growth = 50
	spare  = 64 << 20
	// ofOurs is the part of the memory that this process may have that Go may take.
	// The rest is for what Go does not count: the buffers of sockets, the store's file.
	ofOurs = 0.75
	// ofOursSpare is the part of that memory that spare takes at most.
	ofOursSpare = 1.0 / 8
)

// TuneGC trades memory for CPU in a process that is the gateway alone, until end is
// called, and keeps Go within the memory, in bytes, that the process may have; an
// error of that is no limit. What GOGC or GOMEMLIMIT say in its environment stands,
// where it is not what Go does anyway.
func TuneGC(mayHave func() (uint64, error)) (end func()) {
	percent, limit := debug.SetGCPercent(usualPercent), debug.SetMemoryLimit(-1)
	debug.SetGCPercent(percent)
	if percent != usualPercent || limit != math.MaxInt64 {
		return func() {}
	}
	most := float64(spare)
	if bytes, err := mayHave(); err == nil {
		debug.SetMemoryLimit(int64(ofOurs * float64(bytes)))
		most = min(most, ofOursSpare*float64(bytes))
	}
	debug.SetGCPercent(growth)
	// Go counts this as alive, and since nobody touches it the system gives no memory
	// for it.
	untouched := make([]byte, int(most))
	return func() { runtime.KeepAlive(untouched) }
}
