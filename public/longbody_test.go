package public_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// S10: senders of long bodies that never end hold room for 128 of them, and keep
// nobody's usual request out. Who waited longest ends first.
func TestVerify_BoundsTheLongBodiesThatItWaitsFor(t *testing.T) {
	const most, more = 128, 40
	atDoor(t, nil, func(d *door) {
		server := httptest.NewServer(d.bare)
		defer server.Close()
		body := `{"ticket":"` + strings.Repeat("x", 20<<10) + `","randstr":"@abc","user_ip":"203.0.113.9","scene":"login"}`
		var senders []*halfSent
		refused := make(chan int, most+more)
		for range most + more {
			h := sendHalf(t, server.Listener.Addr().String(), body)
			senders = append(senders, h)
			go func() { refused <- h.status() }()
		}
		for range more {
			if got := <-refused; got != http.StatusBadRequest {
				t.Errorf("who waited longest got %d, want 400", got)
			}
		}
		short := sendHalf(t, server.Listener.Addr().String(), `{"ticket":"t","randstr":"@abc","user_ip":"203.0.113.9","scene":"login"}`)
		short.sendRest()
		if got := short.status(); got != http.StatusOK {
			t.Errorf("a usual request got %d", got)
		}
		for _, h := range senders {
			h.sendRest()
		}
		for range most {
			if got := <-refused; got != http.StatusOK {
				t.Errorf("one of the %d that had their place got %d, want 200", most, got)
			}
		}
	})
}

// halfSent is a request whose body has come half.
type halfSent struct {
	conn net.Conn
	rest string
}

func sendHalf(t *testing.T, address, body string) *halfSent {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	half := len(body) / 2
	r, _ := http.NewRequest(http.MethodPost, "http://"+address+"/v1/verify", io.MultiReader(strings.NewReader(body)))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	var whole strings.Builder
	if err := r.Write(&whole); err != nil {
		t.Fatal(err)
	}
	sent := whole.Len() - half
	if _, err := io.WriteString(conn, whole.String()[:sent]); err != nil {
		t.Fatal(err)
	}
	return &halfSent{conn, whole.String()[sent:]}
}

// sendRest may fail: the server may have closed.
func (h *halfSent) sendRest() { _, _ = io.WriteString(h.conn, h.rest) }

// status waits for the answer; 0 = there was none.
func (h *halfSent) status() int {
	answer, err := http.ReadResponse(bufio.NewReader(h.conn), nil)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
