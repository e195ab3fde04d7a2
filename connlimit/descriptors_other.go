//go:build !unix

package connlimit

import "math"

// Descriptors returns how many descriptors this process may have open; here the
// system sets no such limit.
func Descriptors() int { return math.MaxInt32 }
