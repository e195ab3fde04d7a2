//go:build unix

package connlimit

import (
	"math"
	"syscall"
)

// Descriptors returns how many descriptors this process may have open: its own
// limit, RLIMIT_NOFILE.
func Descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur)
}
