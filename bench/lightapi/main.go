// Command lightapi stands for the Captcha API where only the gateway's own cost
// is the question: it says 1 to every ticket and 21 to disaster tickets, checks
// nothing, costs next to nothing, and counts connections. GET /count tells.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

var (
	passed   = whole(`{"Response":{"CaptchaCode":1,"CaptchaMsg":"OK","EvilLevel":0,"GetCaptchaTime":1700000000,"SubmitCaptchaTime":1700000001,"EvilBitmap":0,"DeviceRiskCategory":"","Score":3,"RequestId":"6f1b7c2e-3e2a-4f63-9a8e-0d5c1b2a3f4e"}}`)
	disaster = whole(`{"Response":{"CaptchaCode":21,"CaptchaMsg":"disaster","EvilLevel":0,"RequestId":"6f1b7c2e-3e2a-4f63-9a8e-0d5c1b2a3f4e"}}`)
)

func whole(body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// api counts what came.
type api struct {
	latency     time.Duration
	calls       atomic.Int64
	connections atomic.Int64 // that made a call
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8092", "address to listen on")
	latency := flag.Duration("latency", 0, "latency of every answer")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	a := &api{latency: *latency}
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go a.serve(conn)
	}
}

func (a *api) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 8<<10)
	var body []byte
	for first := true; ; first = false {
		method, n, err := head(r)
		if err != nil {
			return
		}
		if method == 'G' {
			text := fmt.Sprintf(`{"calls":%d,"connections":%d}`, a.calls.Load(), a.connections.Load())
			_, _ = conn.Write(whole(text))
			continue
		}
		if first {
			a.connections.Add(1)
		}
		body = append(body[:0], make([]byte, n)...)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		a.calls.Add(1)
		if a.latency > 0 {
			time.Sleep(a.latency)
		}
		answer := passed
		if bytes.Contains(body, []byte(`"trerror_`)) {
			answer = disaster
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// head reads a request's head: the method's first letter and the body's length.
func head(r *bufio.Reader) (method byte, length int, err error) {
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
			return method, length, nil
		case first:
			method = line[0]
		case len(line) > 15 && bytes.EqualFold(line[:15], []byte("content-length:")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:])))
			if err != nil || length < 0 || length > 64<<10 {
				return 0, 0, fmt.Errorf("a length of %d bytes", length)
			}
		}
	}
}
