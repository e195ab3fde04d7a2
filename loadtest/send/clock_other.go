//go:build !linux

package send

import "time"

func exactTimers() (restore func()) { return func() {} }

func sleep(d time.Duration) { <-time.After(d) }
