package drive

import (
	"fmt"
	"sync/atomic"
)

// Traced has each request be of a trace of its caller's, of which one in so many is sampled.
func Traced(oneIn int64) func(into, body []byte) []byte {
	var n atomic.Int64
	return func(into, _ []byte) []byte {
		sampled := 0
		now := n.Add(1)
		if now%oneIn == 0 {
			sampled = 1
		}
		return fmt.Appendf(into, "traceparent: 00-%032x-00000000000000aa-%02d\r\n", now, sampled)
	}
}
