package connlimit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"captchagate/connlimit"
)

// patience is how long a test waits for what must happen; it is not measured.
const patience = 2 * time.Minute

// A door is a limited server on a real socket. Its handler reads the request
// and, at /held, waits until it may answer.
type door struct {
	t       *testing.T
	limiter *connlimit.Limiter
	addr    string
	held    chan struct{} // receives when a request waits at /held
	free    chan struct{} // closed: whoever waits is answered
}

func open(t *testing.T, max int, trusted ...netip.Prefix) *door {
	t.Helper()
	return openOver(t, max, func(l net.Listener) net.Listener { return l }, trusted...)
}

// openOver opens a door whose listener is what over makes of a socket's.
func openOver(t *testing.T, max int, over func(net.Listener) net.Listener, trusted ...netip.Prefix) *door {
	t.Helper()
	d := &door{t: t, limiter: connlimit.New(max, trusted), held: make(chan struct{}, max), free: make(chan struct{})}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = l.Addr().String()
	server := &http.Server{ReadTimeout: patience}
	ended := make(chan error, 1)
	go func() { ended <- d.limiter.Serve(server, over(l), http.HandlerFunc(d.answer)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server ended with %v", err)
		}
	})
	return d
}

func (d *door) answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Path == "/key" {
		connlimit.Vouch(r.Context())
	}
	if r.URL.Path == "/held" {
		d.held <- struct{}{}
		<-d.free
	}
	if r.URL.Path == "/long" {
		d.held <- struct{}{}
		for range 1 << 10 { // 64 MiB: more than any socket's buffers
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
		return
	}
	_, _ = io.WriteString(w, "fine")
}

// A caller is one connection to the door.
type caller struct {
	*door
	conn net.Conn
	in   *bufio.Reader
}

func (d *door) from(ip string) *caller {
	d.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c, err := dialer.DialContext(d.t.Context(), "tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &caller{d, c, bufio.NewReader(c)}
}

func (c *caller) send(text string) *caller {
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Logf("sending: %v", err)
	}
	return c
}

const get = "GET / HTTP/1.1\r\nHost: door\r\n\r\n"

// answered reports whether the caller gets a whole answer.
func (c *caller) answered() bool {
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return false
	}
	text, err := io.ReadAll(r.Body)
	return err == nil && string(text) == "fine"
}

// isCut waits for the end of the connection.
func (c *caller) isCut() bool {
	_, err := c.in.ReadByte()
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestLimiter_TheLongestIdleMakesRoom(t *testing.T) {
	d := open(t, 3)
	first, second, third := d.from("127.0.0.1"), d.from("127.0.0.1"), d.from("127.0.0.1")
	fourth := d.from("127.0.0.1")
	if !first.isCut() {
		t.Error("the longest idle did not make room")
	}
	if second.send(get); !second.answered() {
		t.Error("the second was cut although only one had to make room")
	}
	fifth := d.from("127.0.0.1") // the second was just used, so the third is the longest idle
	if !third.isCut() {
		t.Error("the longest idle did not make room for the fifth")
	}
	for i, c := range []*caller{second, fourth, fifth} {
		if c.send(get); !c.answered() {
			t.Errorf("row %d was cut although another had been idle for longer", i)
		}
	}
	if n := d.limiter.Open(); n != 3 {
		t.Errorf("%d connections are open, want 3", n)
	}
}

func TestLimiter_WhoHoldsMostMakesRoomFirst(t *testing.T) {
	d := open(t, 8)
	backend := d.from("127.0.0.2").send(get)
	if !backend.answered() {
		t.Fatal("no answer")
	}
	for range 40 {
		d.from("127.0.0.3")
	}
	for i := range 20 {
		if c := d.from("127.0.0.4").send(get); !c.answered() {
			t.Fatalf("newcomer %d got no answer", i)
		}
		for range 3 {
			d.from("127.0.0.3")
		}
	}
	if backend.send(get); !backend.answered() {
		t.Error("the backend was cut for addresses that held more")
	}
}

func TestLimiter_TrustedOnesMakeRoomLast(t *testing.T) {
	d := open(t, 3, netip.MustParsePrefix("127.0.0.2/32"))
	var proxy []*caller
	for range 2 {
		c := d.from("127.0.0.2").send(get)
		if !c.answered() {
			t.Fatal("no answer")
		}
		proxy = append(proxy, c)
	}
	strangers := []*caller{d.from("127.0.0.10")}
	for i := range 5 { // each waits there in place of the one before it
		strangers = append(strangers, d.from(fmt.Sprintf("127.0.0.%d", i+11)))
		if !strangers[i].isCut() {
			t.Errorf("stranger %d did not make room", i)
		}
	}
	for i, c := range proxy {
		if c.send(get); !c.answered() {
			t.Errorf("connection %d of the proxy was cut", i)
		}
	}
}

const getWithKey = "GET /key HTTP/1.1\r\nHost: door\r\n\r\n"

// S10: a backend's kept connections, on which it has shown its key, make room last,
// however many more it holds than each of the strangers; and it holds no more of
// the others for them.
func TestLimiter_WhoShowedAKeyMakesRoomLast(t *testing.T) {
	d := open(t, 5)
	var kept []*caller
	for range 3 {
		c := d.from("127.0.0.2").send(getWithKey)
		if !c.answered() {
			t.Fatal("no answer")
		}
		kept = append(kept, c)
	}
	strangers := []*caller{d.from("127.0.0.10"), d.from("127.0.0.2")}
	for i := range 20 {
		strangers = append(strangers, d.from(fmt.Sprintf("127.0.0.%d", i+11)))
		if !strangers[i].isCut() {
			t.Fatalf("stranger %d did not make room", i)
		}
	}
	for i, c := range kept {
		if c.send(getWithKey); !c.answered() {
			t.Errorf("connection %d of the backend was cut", i)
		}
	}
}

// Whoever takes an answer that was begun long ago, and does not read it, makes room
// before who connected a moment ago.
func TestLimiter_WhoDoesNotReadMakesRoomBeforeWhoJustCame(t *testing.T) {
	d := open(t, 3)
	for i := range 3 {
		d.from(fmt.Sprintf("127.0.0.1%d", i)).send("GET /long HTTP/1.1\r\nHost: door\r\n\r\n")
		<-d.held
	}
	newcomers := []*caller{d.from("127.0.0.2"), d.from("127.0.0.3"), d.from("127.0.0.4")}
	for i, c := range newcomers {
		if c.send(get); !c.answered() {
			t.Errorf("newcomer %d was cut", i)
		}
	}
}

// Whoever has not sent a whole request makes room for who has, however many
// there are, and a request under way is never cut.
func TestLimiter_NeverCutsARequestUnderWay(t *testing.T) {
	d := open(t, 3)
	under := []*caller{
		d.from("127.0.0.1").send("GET /held HTTP/1.1\r\nHost: door\r\n\r\n"),
		d.from("127.0.0.1").send("POST /held HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\nbody"),
	}
	for range under {
		<-d.held
	}
	for i, slow := range []string{"", "GET / HT", "POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 10\r\n\r\nhalf"} {
		c := d.from("127.0.0.9").send(slow)
		if newcomer := d.from("127.0.0.2").send(get); !newcomer.answered() {
			t.Errorf("who sent %q kept a whole request out", slow)
		}
		if !c.isCut() {
			t.Errorf("row %d: who sent %q is still there", i, slow)
		}
	}
	third := d.from("127.0.0.1").send("GET /held HTTP/1.1\r\nHost: door\r\n\r\n")
	<-d.held
	waiting := d.from("127.0.0.2").send(get) // no room: it waits, and nobody is cut for it
	close(d.free)
	for i, c := range append(under, third, waiting) {
		if !c.answered() {
			t.Errorf("request %d was cut", i)
		}
	}
}

// A server that is shut down while somebody waits for room ends at once.
func TestLimiter_ClosesWhileSomebodyWaits(t *testing.T) {
	limiter := connlimit.New(1, nil)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	held, free := make(chan struct{}), make(chan struct{})
	server := &http.Server{ReadTimeout: patience}
	ended := make(chan error, 1)
	go func() {
		ended <- limiter.Serve(server, l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			held <- struct{}{}
			<-free
		}))
	}()
	d := &door{t: t, addr: l.Addr().String()}
	first := d.from("127.0.0.1").send(get)
	<-held
	d.from("127.0.0.1")
	down := make(chan error, 1)
	go func() { down <- server.Shutdown(context.Background()) }()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("the server ended with %v", err)
	}
	close(free)
	if r, err := http.ReadResponse(first.in, nil); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("the request under way got %v, %v", r, err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// Whoever asks and does not read the answer makes room for who does.
func TestLimiter_WhoDoesNotReadMakesRoom(t *testing.T) {
	d := open(t, 3)
	for range 3 {
		d.from("127.0.0.9").send("GET /long HTTP/1.1\r\nHost: door\r\n\r\n")
	}
	for range 3 {
		<-d.held
	}
	if good := d.from("127.0.0.2").send(get); !good.answered() {
		t.Error("those who do not read kept somebody else out")
	}
}

// Half requests of an address that holds most do not cost others their kept
// connections.
func TestLimiter_HalfRequestsOfOneAddressCutNobodyElse(t *testing.T) {
	d := open(t, 8)
	kept := []*caller{d.from("127.0.0.1").send(get), d.from("127.0.0.2").send(get)}
	for _, c := range kept {
		if !c.answered() {
			t.Fatal("no answer")
		}
	}
	for range 40 {
		d.from("127.0.0.9").send("POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 10\r\n\r\nhalf")
	}
	for i, c := range kept {
		if c.send(get); !c.answered() {
			t.Errorf("kept connection %d was cut", i)
		}
	}
}

// A backlog holds back what the server reads until it is let on, like a machine
// that is too busy to get round to it.
type backlog struct {
	net.Listener
	on chan struct{}
}

type backlogged struct {
	*net.TCPConn
	on <-chan struct{}
}

func (b *backlog) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, _ := c.(*net.TCPConn)
	return backlogged{tcp, b.on}, nil
}

func (b backlogged) Read(p []byte) (int, error) {
	<-b.on
	return b.TCPConn.Read(p)
}

// C9, S10: a request that has come and waits for its turn is no idle connection,
// however long it waits: who sends nothing and who has hung up make room for it.
func TestLimiter_ARequestNotReadYetIsNotIdle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux does the limiter look into sockets")
	}
	busy := &backlog{on: make(chan struct{})}
	d := openOver(t, 4, func(l net.Listener) net.Listener { busy.Listener = l; return busy })
	waiting := []*caller{d.from("127.0.0.1").send(get), d.from("127.0.0.1").send("POST / HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\nbody")}
	left := d.from("127.0.0.1").send(get)
	_ = left.conn.Close()
	silent := d.from("127.0.0.1")
	newcomers := []*caller{d.from("127.0.0.1").send(get), d.from("127.0.0.1").send(get)}
	if !silent.isCut() {
		t.Error("who sent nothing did not make room")
	}
	close(busy.on)
	for i, c := range append(waiting, newcomers...) {
		if !c.answered() {
			t.Errorf("request %d was cut before the server read it", i)
		}
	}
}

// S10: a head of very many fields, which would cost much more memory than it was
// sent with, is refused, also before its end; a body may have as many lines as it
// likes, and the next head is counted anew.
func TestLimiter_RefusesAHeadOfVeryManyFields(t *testing.T) {
	d := open(t, 3)
	many := "POST / HTTP/1.1\r\nHost: door\r\n" + strings.Repeat("a: b\r\n", 200)
	c := d.from("127.0.0.1").send(many)
	r, err := http.ReadResponse(c.in, nil)
	if err != nil || r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatalf("%+v, %v", r, err)
	}
	_ = r.Body.Close()
	if !c.isCut() {
		t.Error("it may go on")
	}
	c = d.from("127.0.0.1")
	for range 3 {
		usual := "POST / HTTP/1.1\r\nHost: door\r\n" + strings.Repeat("a: b\r\n", 60)
		lines := strings.Repeat("\n", 5000)
		if c.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", usual, len(lines), lines)); !c.answered() {
			t.Fatal("a usual head with a body of many lines is not answered")
		}
	}
}
