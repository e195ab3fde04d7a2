package gateway

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxLogBacklog = 1 << 20     // bytes of lines that wait to be written
	maxLogFlush   = time.Second // for what still waits when the process ends
	// logGather is how long lines wait for company: to wake the writer for each costs as
	// much as a third of the line.
	logGather = 2 * time.Millisecond
)

// LogWriter stands before where a log goes, and never waits for it: neither a
// disk that hangs nor a pipe that nobody reads holds an answer up. What cannot be
// written is dropped, a whole line at a time, and counted.
type LogWriter struct {
	to      io.Writer
	wake    chan struct{} // closed by Close
	ended   chan struct{}
	dropped atomic.Uint64

	mu      sync.Mutex
	waiting []byte // whole lines
	closed  bool
}

// NewLogWriter returns a LogWriter that writes to w until Close.
func NewLogWriter(w io.Writer) *LogWriter {
	lw := &LogWriter{to: w, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go lw.run()
	return lw
}

// Write takes one line or several. It never fails.
func (lw *LogWriter) Write(lines []byte) (int, error) {
	lw.mu.Lock()
	defer lw.mu.Unlock()
	if lw.closed || len(lw.waiting)+len(lines) > maxLogBacklog {
		lw.drop(lines)
		return len(lines), nil
	}
	lw.waiting = append(lw.waiting, lines...)
	select {
	case lw.wake <- struct{}{}:
	default: // it is awake
	}
	return len(lines), nil
}

// Dropped is how many lines were not written.
func (lw *LogWriter) Dropped() uint64 { return lw.dropped.Load() }

func (lw *LogWriter) drop(lines []byte) { lw.dropped.Add(uint64(bytes.Count(lines, []byte("\n")))) }

func (lw *LogWriter) run() {
	defer close(lw.ended)
	var lines []byte
	for range lw.wake {
		<-time.After(logGather)
		lw.mu.Lock()
		lines, lw.waiting = lw.waiting, lines[:0]
		lw.mu.Unlock()
		if _, err := lw.to.Write(lines); err != nil {
			lw.drop(lines)
		}
	}
}

// Close writes what waits, for a second at most. What is written afterwards is
// dropped.
func (lw *LogWriter) Close() {
	lw.mu.Lock()
	if !lw.closed {
		lw.closed = true
		close(lw.wake) // after what it still holds
	}
	lw.mu.Unlock()
	select {
	case <-lw.ended:
	case <-time.After(maxLogFlush):
	}
}
