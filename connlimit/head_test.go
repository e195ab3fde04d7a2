package connlimit_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const post = "POST / HTTP/1.1\r\nHost: door\r\n"

// S10: what a proxy before us may read in another way is refused, however it is cut into
// packets, and what is usual is not.
func TestLimiter_RefusesHeadsThatAreReadTwoWays(t *testing.T) {
	d := open(t, 20)
	for name, head := range map[string]string{
		"a length and chunks":      post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"chunks and a length":      post + "transfer-encoding: chunked\r\nX: y\r\nCONTENT-LENGTH: 5\r\n\r\n",
		"a folded field":           post + "X: a\r\n b\r\n\r\n",
		"a folded field, tab":      post + "Transfer-Encoding:\r\n\tchunked\r\n\r\n",
		"a bare line feed":         post + "X: a\nY: b\r\n\r\n",
		"an end of line feeds":     post + "X: a\r\n\n",
		"a bare line feed at once": "POST / HTTP/1.1\nHost: door\r\n\r\n",
		"two lengths":              post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"a length behind blanks":   post + "Content-Length:" + strings.Repeat(" ", 60) + "5\r\n\r\n",
		"chunks in HTTP/1.0":       "POST / HTTP/1.0\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		for _, packet := range []int{1, 7, len(head)} {
			if c := d.from("127.0.0.1").sendIn(packet, head); !c.isRefused(http.StatusBadRequest) {
				t.Errorf("%s, %d bytes a packet: it is not refused", name, packet)
			}
		}
	}
	c := d.from("127.0.0.1")
	for i := range 3 { // each after the other, and two at once
		body := " a line that begins with a blank\n\nContent-Length: 1\n"
		sized := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(body), body)
		chunked := fmt.Sprintf("%sTransfer-Encoding: Chunked\r\n\r\n%X \r\n%s\r\n1;a=%s\r\n\n\r\n0\r\nX: y\r\n\r\n", post, len(body), body, strings.Repeat("b", 70))
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

// sendIn sends text in packets of so many bytes, up to its end or that of the connection.
func (c *caller) sendIn(packet int, text string) *caller {
	for rest := text; rest != ""; rest = rest[min(packet, len(rest)):] {
		if _, err := c.conn.Write([]byte(rest[:min(packet, len(rest))])); err != nil {
			break
		}
	}
	return c
}

// isRefused reports whether the caller is answered with that status, and then no more.
func (c *caller) isRefused(status int) bool {
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Logf("no answer: %v", err)
		return false
	}
	_ = r.Body.Close()
	if r.StatusCode != status || !r.Close {
		c.t.Logf("%+v", r)
	}
	return r.StatusCode == status && r.Close && c.isCut()
}

var refusedHeads = map[string]struct {
	head   string
	status int
}{
	"a length and chunks": {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", http.StatusBadRequest},
	"a bare line feed":    {post + "X: a\nY: b\r\n\r\n", http.StatusBadRequest},
	"2,000 fields":        {post + strings.Repeat("a: b\r\n", 2000) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
}

// S10: the server skips blank lines behind a POST; they are no head's end.
func TestLimiter_RefusesAHeadBehindBlankLines(t *testing.T) {
	d := open(t, 30)
	for name, row := range refusedHeads {
		for _, blank := range []string{"", "\r\n", "\n", "\r\n\r\n", "\r\r\n"} {
			c := d.from("127.0.0.1").send(post + "Content-Length: 1\r\n\r\n\n")
			if !c.answered() {
				t.Fatal("a usual request is not answered")
			}
			if c.send(blank + row.head); !c.isRefused(row.status) {
				t.Errorf("%s behind %q: it is not refused", name, blank)
			}
		}
	}
}

// S10: a head is seen whole though it came with the request before, which is answered.
func TestLimiter_RefusesAHeadBehindAnotherRequest(t *testing.T) {
	d := open(t, 100)
	for name, row := range refusedHeads {
		for before, first := range map[string]string{
			"a request without a body": get,
			"a body of a length":       post + "Content-Length: 5\r\n\r\n{\n\n\n}",
			"a body in chunks":         post + "Transfer-Encoding: chunked\r\n\r\n3\r\n\n\n\n\r\n0\r\n\r\n",
			"a body, a blank line":     post + "Content-Length: 1\r\n\r\n{\r\n",
		} {
			for _, packet := range []int{1, 7, len(first), 1 << 20} {
				c := d.from("127.0.0.1").sendIn(packet, first+row.head)
				if !c.answered() || !c.isRefused(row.status) {
					t.Errorf("%s behind %s, %d bytes a packet: not an answer and a refusal", name, before, packet)
				}
			}
		}
	}
}

// S10: the refusal of a head waits for the answer to the request before, and what a
// caller sends in the meantime does not end that.
func TestLimiter_RefusesAHeadAfterTheAnswerBefore(t *testing.T) {
	d := open(t, 10)
	var callers []*caller
	for _, row := range refusedHeads {
		c := d.from("127.0.0.1").send("GET /held HTTP/1.1\r\nHost: door\r\n\r\n" + row.head)
		<-d.held
		callers = append(callers, c.send(get))
	}
	close(d.free)
	for _, c := range callers {
		if !c.answered() {
			t.Error("the request before is not answered")
		}
		if r, err := http.ReadResponse(c.in, nil); err != nil || r.StatusCode < http.StatusBadRequest || !c.isCut() {
			t.Errorf("the head is not refused: %v, %v", r, err)
		}
	}
}

// What is legal is answered, wherever its packets begin.
func TestLimiter_AnswersRequestsThatAreCutAnywhere(t *testing.T) {
	d := open(t, 10)
	const body = "{\n  \"a\": 1\n}\n"
	second := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(body), body)
	both := fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n%s", post, len(body), body, second)
	c := d.from("127.0.0.1")
	for cut := range both {
		c.send(both[:cut]).send(both[cut:])
		for range 2 {
			if !c.answered() {
				t.Fatalf("cut at %q: it is not answered", both[:cut])
			}
		}
	}
	hundred := "GET / HTTP/1.1\r\nHost: door\r\n" + strings.Repeat("a: b\r\n", 99)
	if c.send(hundred + "\r\n"); !c.answered() {
		t.Error("a head of 100 fields is not answered")
	}
	if c.send(hundred + "a: b\r\n\r\n"); !c.isRefused(http.StatusRequestHeaderFieldsTooLarge) {
		t.Error("a head of 101 fields is not refused")
	}
}

// S10: where a body's chunks cannot be told apart, nothing behind them is answered.
func TestLimiter_AnswersNothingBehindBrokenChunks(t *testing.T) {
	d := open(t, 20)
	for _, chunks := range []string{"0\n\r\n", "+0\r\n\r\n", "\r\n0\r\n\r\n", "1\r\n{}\r\n0\r\n\r\n", "0\r\nX: y\n\n", "10000000000000000\r\n\r\n"} {
		c := d.from("127.0.0.1").send(post + "Transfer-Encoding: chunked\r\n\r\n" + chunks + get + get)
		if c.answered(); c.answered() {
			t.Errorf("%q: a request behind it is answered", chunks)
		}
	}
}
