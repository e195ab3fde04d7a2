package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestRun_ExitsWith2OnWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--lisen", "x"}, {"--listen"}, {"extra"}, {"--latency", "soon"}, {"--latency", "-1s"},
		{"--app", "shop=key"}, {"--app", "0=key"}, {"--secret-key", ""}, {"--capacity", "-3"}, {"--listen", "nonsense"}, {"--listen", "127.0.0.1:http"},
	} {
		var logs bytes.Buffer
		if code := run(t.Context(), args, io.Discard, &logs); code != 2 || !strings.HasPrefix(logs.String(), "simulator: ") {
			t.Errorf("%v: exit %d, says %q", args, code, logs.String())
		}
	}
}

func TestRun_ExitsWith1WhereTheAddressIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var logs bytes.Buffer
	code := run(t.Context(), []string{"--listen", taken.Addr().String()}, io.Discard, &logs)
	if code != 1 || !strings.Contains(logs.String(), taken.Addr().String()) || !strings.Contains(logs.String(), "already in use") {
		t.Errorf("exit %d, says %q", code, logs.String())
	}
}

func TestRun_ServesUntilToldToEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, writer := io.Pipe()
	var logs bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"--listen", "127.0.0.1:0", "--latency", "0"}, writer, &logs)
		writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatalf("it said nothing: %v", err)
	}
	_, rest, _ := strings.Cut(line, "http://")
	address, _, _ := strings.Cut(rest, "/")
	resp, err := http.Get("http://" + address + "/_sim/stats")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("after %q: %v, %v", line, resp, err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit %d, says %q", got, logs.String())
	}
}
