package connlimit_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// S10: what a proxy before us may read in another way is refused, however it is cut into
// packets, and what is usual is not.
func TestLimiter_RefusesHeadsThatAreReadTwoWays(t *testing.T) {
	const begins = "POST / HTTP/1.1\r\nHost: door\r\n"
	d := open(t, 20)
	for name, head := range map[string]string{
		"a length and chunks":  begins + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"chunks and a length":  begins + "transfer-encoding: chunked\r\nX: y\r\nCONTENT-LENGTH: 5\r\n\r\n",
		"a folded field":       begins + "X: a\r\n b\r\n\r\n",
		"a folded field, tab":  begins + "Transfer-Encoding:\r\n\tchunked\r\n\r\n",
		"a bare line feed":     begins + "X: a\nY: b\r\n\r\n",
		"an end of line feeds": begins + "X: a\r\n\n",
	} {
		for _, packet := range []int{1, 7, len(head)} {
			c := d.from("127.0.0.1")
			for rest := head; rest != ""; rest = rest[min(packet, len(rest)):] {
				if _, err := c.conn.Write([]byte(rest[:min(packet, len(rest))])); err != nil {
					break // it was refused before its end
				}
			}
			r, err := http.ReadResponse(c.in, nil)
			if err != nil || r.StatusCode != http.StatusBadRequest || !r.Close {
				t.Errorf("%s, %d bytes a packet: %v, %v", name, packet, r, err)
				continue
			}
			_ = r.Body.Close()
		}
	}
	c := d.from("127.0.0.1")
	for i := range 3 { // each after the other, and two at once
		body := " a line that begins with a blank\n\nContent-Length: 1\n"
		sized := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", begins, len(body), body)
		chunked := fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", begins, len(body), body)
		for n, send := range []string{sized, chunked, sized + strings.Repeat(chunked, 100)} {
			c.send(send)
			for range []int{1, 1, 101}[n] {
				if !c.answered() {
					t.Fatalf("round %d: what is usual is not answered", i)
				}
			}
		}
	}
}
