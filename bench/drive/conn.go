// Package drive sends requests over raw keep-alive connections: two cores are
// few, and what the generator uses the measured programs cannot have.
package drive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// A Conn is one connection with one request on it at a time.
type Conn struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
	body []byte
}

// Dial opens a connection to an address of loopback; others are refused.
func Dial(addr string, most time.Duration) (*Conn, error) {
	if err := Loopback(addr); err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", addr, most)
	if err != nil {
		return nil, err
	}
	return &Conn{conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}, nil
}

// Loopback is an error unless addr is a loopback address with a port: a
// generator of load must not reach anybody else.
func Loopback(addr string) error {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().IsLoopback() {
		return fmt.Errorf("%s is not an address of loopback; these tools reach this machine only", addr)
	}
	return nil
}

// Close closes the connection.
func (c *Conn) Close() { _ = c.conn.Close() }

// Post sends body to path, with the lines of head among its headers, and returns the status and the answer's body, which
// is good until the next call. The whole must end by the deadline.
func (c *Conn) Post(path string, head, body []byte, deadline time.Time) (status int, answer []byte, err error) {
	if err := c.conn.SetDeadline(deadline); err != nil {
		return 0, nil, err
	}
	b := append(c.out[:0], "POST "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(append(b, "\r\n"...), head...)
	b = append(b, "\r\n"...)
	c.out = append(b, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, nil, err
	}
	return c.read()
}

var (
	errStatus = errors.New("the answer does not begin as HTTP/1.1 does")
	errLength = errors.New("the answer has no Content-Length")
	lengthKey = []byte("content-length:")
)

func (c *Conn) read() (status int, body []byte, err error) {
	length := -1
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if len(line) < 12 {
				return 0, nil, errStatus
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, nil, errStatus
			}
		case len(line) == 0:
			if length < 0 {
				return 0, nil, errLength
			}
			c.body = append(c.body[:0], make([]byte, length)...)
			_, err := io.ReadFull(c.r, c.body)
			return status, c.body, err
		case len(line) > len(lengthKey) && bytes.EqualFold(line[:len(lengthKey)], lengthKey):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthKey):]))); err != nil {
				return 0, nil, errLength
			}
		}
	}
}
