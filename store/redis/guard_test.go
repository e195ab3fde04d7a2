package redis_test

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/fleet"
	"captchagate/store"
	"captchagate/store/redis"
)

// Whoever answers in Redis's place costs a beat, not the process or its memory.
func TestBoard_OutlivesRepliesThatNoRedisGives(t *testing.T) {
	for name, reply := range map[string]string{
		"a string of exabytes":        "$9223372036854775000\r\n",
		"a string of gigabytes":       "$200000000000\r\n",
		"an error of gigabytes":       "!200000000000\r\n",
		"a list of exabytes":          "*9223372036854775000\r\n",
		"a list of gigabytes":         "*200000000\r\n",
		"a map of gigabytes":          "%200000000\r\n",
		"an attribute of gigabytes":   "|200000000\r\n",
		"lists in lists":              strings.Repeat("*1\r\n", 5_000_000),
		"lists in lists that promise": strings.Repeat("*100000\r\n", 1000),
		"a line without an end":       "+" + strings.Repeat("x", 10<<20),
		"less than nothing":           "$-5\r\n",
		"no number":                   "*many\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := redis.New(answering(t, reply), "test:", "tag", patience, quiet, prometheus.NewRegistry())
			defer func() { _ = b.Close() }()
			if _, err := b.Beat(t.Context(), fleet.Report{ID: "a", Rules: short}); err == nil || !strings.Contains(err.Error(), "is it a Redis that answers") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// answering is the address of a server that knows one reply, but for the greeting.
func answering(t *testing.T, reply string) store.RedisAddress {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(conn, reply)
		}
	}()
	at, err := store.Redis{"redis://" + l.Addr().String()}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func answer(conn net.Conn, reply string) {
	defer func() { _ = conn.Close() }()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		answer := ""
		switch strings.ToLower(lines.Text()) {
		case "hello":
			answer = "-ERR unknown command\r\n"
		case "evalsha", "eval":
			answer = reply
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}
