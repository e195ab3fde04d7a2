package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What the scripts can say beyond testscript's own.

// trace is what a person should never see: a panic, a stack, a race.
var trace = regexp.MustCompile(`panic:|goroutine \d+ \[|\.go:\d+|DATA RACE`)

// exits CODE COMMAND [ARGS] runs a command to its end, and wants this exit code
// and no stack trace. Its output is for stdout and stderr to look at.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if found := trace.FindString(ts.ReadFile(stream)); found != "" {
			ts.Fatalf("%s shows a stack trace (%s)", stream, found)
		}
	}
}

// within TIME CODE COMMAND [ARGS] is exits, and wants the end by then.
func within(ts *testscript.TestScript, neg bool, args []string) {
	most, err := time.ParseDuration(args[0])
	ts.Check(err)
	began := time.Now()
	exits(ts, neg, args[1:])
	if took := time.Since(began); took > most {
		ts.Fatalf("%s took %v, want at most %v", strings.Join(args[2:], " "), took, most)
	}
}

// taken NAME sets $NAME to an address that somebody listens on.
func taken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// serve CONFIG starts a gateway with $NAME replaced in its configuration, and
// sets $LISTEN and $ADMIN to its addresses. It ends with the script.
func serveConfig(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve CONFIG")
	}
	g, err := startGateway(ts.MkAbs("."), os.Environ(), ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() {
		if err := g.end(); err != nil {
			ts.Fatalf("the gateway: %v", err)
		}
	})
	ts.Setenv("LISTEN", g.listen)
	ts.Setenv("ADMIN", g.admin)
}

// json FILE PATH VALUE wants a JSON object with this value at keys.joined.by.dots.
func jsonHas(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	var at any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &at); err != nil {
		ts.Fatalf("%s is no JSON: %v", args[0], err)
	}
	for key := range strings.SplitSeq(args[1], ".") {
		object, ok := at.(map[string]any)
		if _, has := object[key]; !ok || !has {
			ts.Fatalf("%s has nothing at %s", args[0], args[1])
		}
		at = object[key]
	}
	if got := fmt.Sprint(at); (got == args[2]) == neg {
		ts.Fatalf("%s has %q at %s", args[0], got, args[1])
	}
}
