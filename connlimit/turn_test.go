package connlimit_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/connlimit"
)

// A full house has two users who keep a connection each, and two connections of
// somebody who has sent the same on both. Time is virtual: the server gets round to
// what has come when a test says so.
type house struct {
	t    *testing.T
	door *memory
	kept []*visit
	most []*visit // those of who holds most, once a newcomer of theirs is counted
}

const (
	half  = "POST /slow HTTP/1.1\r\nHost: door\r\nContent-Length: 10\r\n\r\nhalf"
	whole = "GET /slow HTTP/1.1\r\nHost: door\r\n\r\n"
)

// inFullHouse tells a story in a house whose handler waits for a lag before it reads
// what was sent.
func inFullHouse(t *testing.T, sent string, lag time.Duration, tell func(h *house), as ...func(*visit) net.Conn) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, door: newMemory(1)}
		limiter, server := connlimit.New(5, nil), &http.Server{ReadTimeout: 24 * time.Hour}
		ended, over := make(chan error, 1), make(chan struct{})
		go func() {
			ended <- limiter.Serve(server, h.door, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					select {
					case <-time.After(lag):
					case <-over:
					}
				}
				_, _ = io.Copy(io.Discard, r.Body)
			}))
		}()
		defer func() {
			close(over)
			_ = server.Close()
			<-ended
			time.Sleep(time.Second) // until all who were cut have noticed
		}()
		for i := range 2 {
			h.kept = append(h.kept, h.comes(i, get))
		}
		time.Sleep(time.Second)
		for range 3 {
			h.most = append(h.most, h.comes(9, sent, as...))
		}
		synctest.Wait()
		tell(h)
	})
}

// comes has somebody connect, send a text and read all answers.
func (h *house) comes(from int, text string, as ...func(*visit) net.Conn) *visit {
	v := visitOf(from, false)
	go func() { _, _ = io.WriteString(v.caller, text) }()
	if len(as) > 0 {
		h.door.queue <- as[0](v)
	} else {
		h.door.queue <- v
	}
	return v
}

// stand checks who is still there.
func (h *house) stand(when string, kept, most int) {
	h.t.Helper()
	synctest.Wait()
	if stay, _ := parted(h.kept); len(stay) != kept {
		h.t.Errorf("%s: %d of those who keep a connection are there, want %d", when, len(stay), kept)
	}
	if stay, _ := parted(h.most); len(stay) != most {
		h.t.Errorf("%s: %d of those who hold most are there, want %d", when, len(stay), most)
	}
}

// S10: while the handler has yet to ask for the rest of what came from the address
// that holds most, nobody else is cut for a newcomer: they turn out to be half requests.
func TestLimiter_WaitsForTheHandlerToFindHalfARequest(t *testing.T) {
	inFullHouse(t, half, 50*time.Millisecond, func(h *house) {
		h.comes(7, get)
		time.Sleep(40 * time.Millisecond)
		h.stand("before the handler read", 2, 3)
		time.Sleep(30 * time.Millisecond)
		h.stand("after it", 2, 2)
	})
}

// S10: nor is anybody while the server has yet to read what came.
func TestLimiter_WaitsForTheServerToFindHalfARequest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux does the limiter look into sockets")
	}
	pipe := pipeWithBytes(t)
	var on chan struct{} // made within the bubble, so that waiting for it lets time pass
	notRead := func(v *visit) net.Conn {
		if on == nil {
			on = make(chan struct{})
		}
		return unread{v, on, pipe}
	}
	inFullHouse(t, half, 0, func(h *house) {
		h.comes(7, get)
		time.Sleep(500 * time.Millisecond)
		h.stand("before the server read", 2, 3)
		close(on)
		time.Sleep(20 * time.Millisecond)
		h.stand("after it", 2, 2)
	}, notRead)
}

// S10: a newcomer waits for the turn of others for a second at most, and not at all
// while their requests have wholly come: somebody else makes room then.
func TestLimiter_WaitsForNobodysTurnForLong(t *testing.T) {
	inFullHouse(t, half, time.Hour, func(h *house) {
		h.comes(7, get)
		time.Sleep(1010 * time.Millisecond)
		h.stand("a second later", 1, 3)
	})
	inFullHouse(t, whole, time.Hour, func(h *house) {
		h.comes(7, get)
		h.stand("at once", 1, 3)
	})
}

// S10: who asks again and again on all connections that he holds, so that none is
// ever idle for long, keeps no newcomer out.
func TestLimiter_AskingAgainAndAgainKeepsNobodyOut(t *testing.T) {
	inFullHouse(t, get, 0, func(h *house) {
		for _, v := range h.most {
			go func() {
				for err := error(nil); err == nil; _, err = io.WriteString(v.caller, get) {
					time.Sleep(5 * time.Millisecond)
				}
			}()
		}
		time.Sleep(time.Second + 2*time.Millisecond) // all were answered, and none asks again just now
		h.comes(7, get)
		time.Sleep(40 * time.Millisecond)
		h.stand("40 ms later", 2, 2)
	})
}

// An unread is a connection with bytes in its socket that the server reads only once
// it is let on.
type unread struct {
	*visit
	on     <-chan struct{}
	socket *os.File
}

func pipeWithBytes(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	if _, err := w.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	return r
}

func (u unread) Read(p []byte) (int, error) {
	<-u.on
	return u.visit.Read(p)
}

// SyscallConn shows the socket for as long as nothing was read from it.
func (u unread) SyscallConn() (syscall.RawConn, error) {
	select {
	case <-u.on:
		return nil, net.ErrClosed
	default:
		return u.socket.SyscallConn()
	}
}
