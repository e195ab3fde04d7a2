package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"captchagate/admin"
)

// Where nobody looks at a terminal there is a line for each change; a connection that is lost
// is told, and comes back; a gateway that refuses ends it.
func TestFollow_TellsChangesAndComesBack(t *testing.T) {
	var asked atomic.Int32
	status := func(w http.ResponseWriter, mode string, requests int) {
		fmt.Fprintf(w, "event: status\ndata: {\"mode\":\"%s\",\"breaker\":{\"state\":\"closed\",\"requests\":%d},\"account\":{\"state\":\"ok\"},\"store\":{\"healthy\":true}}\n\n", mode, requests)
	}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1:
			status(w, "normal", 1)
			status(w, "normal", 2) // only a counter
			status(w, "degraded", 3)
		case 2:
			status(w, `normal\u001b[2J`, 4)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"a token is needed"}`)
		}
	}))
	defer gateway.Close()
	var out, errs bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := newFollower(cmd, &admin.Client{URL: gateway.URL, Token: "old"}, false).run(ctx)
	if err == nil || !strings.Contains(err.Error(), "wants a token") {
		t.Errorf("it ended with %v", err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "Z mode normal, circuit closed, account ok") || !strings.Contains(lines[1], "mode degraded") || strings.Contains(lines[2], "\x1b") {
		t.Errorf("lines %q", lines)
	}
	if text := errs.String(); strings.Count(text, "connection lost") != 2 || strings.Count(text, "connected again") != 1 {
		t.Errorf("of the connection: %q", text)
	}
}
