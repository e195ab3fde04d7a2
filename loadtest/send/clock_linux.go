package send

import (
	"syscall"
	"time"
)

// Of prctl(2).
const (
	setTimerSlack = 29
	exactSlack    = 1      // nanoseconds
	usualSlack    = 50_000 // what a thread has from the start
)

// exactTimers makes this thread's sleep end when it should; the function that
// it returns takes that back.
func exactTimers() (restore func()) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, exactSlack, 0) // without it it is 50 µs late
	return func() { _, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, usualSlack, 0) }
}

// sleep may end early, by a signal.
func sleep(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil)
}
