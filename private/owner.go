//go:build unix

package private

import (
	"io/fs"
	"os"
	"syscall"
)

const root = 0

const noFollow = syscall.O_NOFOLLOW

// owners are the user whom a file belongs to and the one that this process runs
// as.
func owners(info fs.FileInfo) (owner, me int) {
	me = os.Geteuid()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), me
	}
	return me, me
}
