package reverify_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/reverify"
	"captchagate/store/bolt"
)

// These in the environment make the test binary the child of the test below:
// a process that lets users in, asks and reports until it is killed.
const (
	childPath  = "REVERIFY_TEST_CHILD_PATH"
	childWorld = "REVERIFY_TEST_CHILD_WORLD" // address of the API and the webhook
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := liveUntilKilled(path, os.Getenv(childWorld), os.Args[1]); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	os.Exit(m.Run())
}

// liveUntilKilled says on standard output who was let in, a line each.
func liveUntilKilled(path, address, round string) error {
	b, err := bolt.Open(path, quiet)
	if err != nil {
		return err
	}
	q, err := overNetwork(b, address)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { q.Run(context.Background()) })
	for worker := range 4 {
		wg.Go(func() {
			for i := range 40 {
				ticket := fmt.Sprintf("%s-%d-%d", round, worker, i)
				if i%4 == 0 {
					ticket += "-bad"
				}
				if err := q.Add(context.Background(), entry(ticket)); err != nil {
					continue // a busy machine: not let through, so nothing is owed
				}
				fmt.Println(ticket) // one write: whole lines
			}
		})
	}
	wg.Wait()
	return nil
}

// overNetwork is a queue whose API and webhook are at an address.
func overNetwork(s reverify.Store, address string) (*reverify.Queue, error) {
	q, err := reverify.New(context.Background(), remoteAPI(address), s, &share{of: 1}, nil,
		reverify.Config{Webhook: address + "/reports", Secret: secret}, [][]byte{key}, nil, nil, quiet, prometheus.NewRegistry())
	if err == nil {
		q.Hurry()
	}
	return q, err
}

type remoteAPI string

func (a remoteAPI) Verify(ctx context.Context, t captcha.Ticket) (v captcha.Verdict, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(a)+"/verify?"+t.Value, nil)
	if err != nil {
		return v, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return v, failure(captcha.Fault, true)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return v, failure(captcha.Fault, true)
	}
	return v, nil
}

// outside is what goes on living when the process is killed.
type outside struct {
	api    *api
	hook   *hook
	events chan struct{} // one for each question and delivery
}

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() { o.events <- struct{}{} }()
	if r.URL.Path == "/verify" {
		t := captcha.Ticket{Value: r.URL.RawQuery}
		if strings.HasSuffix(t.Value, "-bad") {
			o.api.mu.Lock()
			o.api.codes[t.Value] = 15
			o.api.mu.Unlock()
		}
		v, _ := o.api.Verify(r.Context(), t)
		_ = json.NewEncoder(w).Encode(v)
		return
	}
	if resp, err := o.hook.RoundTrip(r); err != nil || resp == nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// Processes are killed at random moments; the last one lives.
func TestQueue_LosesNothingAcknowledgedWhenKilled(t *testing.T) {
	rounds := 15
	path := filepath.Join(t.TempDir(), "gateway.db")
	o := &outside{newAPI(), &hook{}, make(chan struct{}, 1<<16)}
	server := httptest.NewServer(o)
	defer server.Close()
	want := map[string]reverify.Result{}
	for round := range rounds {
		for _, ticket := range killedAfter(t, o, path, server.URL, round, 1+rand.IntN(300)) {
			want[ticket] = reverify.Confirmed
			if strings.HasSuffix(ticket, "-bad") {
				want[ticket] = reverify.Refuted
			}
		}
	}
	got := drained(t, o, path, server.URL)
	unsure := 0
	for ticket, result := range want {
		switch r := got["decision-"+ticket].Result; r {
		case result:
		case reverify.Unverifiable:
			unsure++
		default:
			t.Errorf("%s: result %q, want %q", ticket, r, result)
		}
	}
	if unsure > 4*rounds { // those on their way at each death
		t.Errorf("%d of %d cannot be told any more", unsure, len(want))
	}
	t.Logf("%d decisions in %d lives: each is reported under one key, %d unverifiable", len(want), rounds+1, unsure)
}

// killedAfter runs a child and kills it after that many events: lines of its
// own, questions, deliveries. It returns whom it let in.
func killedAfter(t *testing.T, o *outside, path, address string, round, events int) (let []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], fmt.Sprint("round", round))
	child.Env = append(os.Environ(), childPath+"="+path, childWorld+"="+address)
	out, err := child.StdoutPipe()
	if err := errors.Join(err, child.Start()); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for reader := bufio.NewReader(out); ; {
			line, err := reader.ReadString('\n')
			if err != nil {
				return // cut short: not acknowledged
			}
			lines <- strings.TrimSpace(line)
		}
	}()
	for n := 1; ; n++ {
		if n == events {
			_ = child.Process.Kill()
		}
		select {
		case <-o.events:
		case line, alive := <-lines:
			if !alive {
				_ = child.Wait()
				if n < events {
					t.Fatalf("round %d: the child ended by itself after %d events", round, n)
				}
				return let
			}
			if strings.HasPrefix(line, "error") {
				t.Fatalf("round %d: %s", round, line)
			}
			let = append(let, line)
		}
	}
}

// drained runs a queue until nothing is left, and returns all reports.
func drained(t *testing.T, o *outside, path, address string) map[string]reverify.Report {
	t.Helper()
	b, err := bolt.Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	q, err := overNetwork(b, address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { q.Run(ctx) })
	timeout := time.After(time.Minute)
	for look := time.NewTicker(10 * time.Millisecond); q.Held() > 0; {
		select {
		case <-look.C:
		case <-timeout:
			t.Fatalf("%d are still there after a minute", q.Held())
		}
	}
	cancel()
	running.Wait()
	return o.hook.reports(t)
}
