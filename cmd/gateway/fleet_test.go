package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/store/redis/redistest"
)

// full has the proofs of a fleet be played at full length and held to their times, which
// is for a machine that has nothing else to do: make fleet.
var full = flag.Bool("full", false, "play a fleet's proofs at full length, and hold them to their times")

// length is how long, or how often, something is played in short and in full.
func length[T any](short, long T) T {
	if *full {
		return long
	}
	return short
}

// A crew is a fleet of three gateways, as processes, with a real Redis, before one API.
type crew struct {
	*testing.T

	api    *captchaAPI
	redis  *redistest.Server
	hook   *hook // of reports
	houses []*house
	client http.Client

	mu     sync.Mutex
	fronts []string      // where each takes requests; "" if it is to get none
	late   time.Duration // by which a request left at most, on a busy machine
}

// newCrew starts a fleet whose store.redis is url.
func newCrew(t *testing.T, url string) *crew {
	t.Helper()
	return crewOf(t, url, "")
}

// crewOf is newCrew of another program, "" for this gateway. Some scenes are wider than is
// usual.
func crewOf(t *testing.T, url, program string) *crew {
	t.Helper()
	c := &crew{T: t, api: newAPI(t, 3), hook: newHook(t), fronts: make([]string, 3)}
	c.client = http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DisableKeepAlives:   !*full, // a busy machine sends on a connection that was closed meanwhile
	}}
	t.Cleanup(c.client.CloseIdleConnections)
	environ := append(os.Environ(),
		"GATEWAY__STORE__SECRET=the secret of one fleet", "GATEWAY__CHALLENGE__SECRET=the secret of its challenges",
		"GATEWAY__CHALLENGE__COST=100", "GATEWAY__REVERIFY__WEBHOOK="+c.hook.URL, "GATEWAY__REVERIFY__SECRET=the secret of its reports",
	)
	for i := range 3 {
		h := &house{t: t, folder: t.TempDir(), environ: environ, simulator: c.api.doors[i].address(), program: program}
		h.write(strings.NewReplacer(
			"store:\n", "store:\n  redis: "+url+"\n",
			"  listen: 127.0.0.1:0\n", "  listen: 127.0.0.1:0\n  tokens: [{name: ops, role: operator, token: "+operatorsToken+"}]\n",
			"scenes:\n", "scenes:\n  crowd: {degraded: allow, budget: {total: 20000/s, for: 1h}}\n"+
				fmt.Sprintf("  narrow: {degraded: allow, budget: {total: %d/s, for: 1h}}\n", narrowBudget()),
		).Replace(h.shipped()))
		c.houses = append(c.houses, h)
		c.begins(i)
	}
	c.seeEachOther(3)
	return c
}

// narrowBudget is how many a second the scene narrow lets through.
func narrowBudget() int { return length(20, 50) }

// begins starts an instance and gives it requests.
func (c *crew) begins(i int) {
	c.Helper()
	c.houses[i].start()
	c.gets(i, c.houses[i].gateway.listen)
}

// gets says where an instance takes requests from then on.
func (c *crew) gets(i int, front string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fronts[i] = front
}

func (c *crew) front(i int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fronts[i]
}

// seeEachOther waits until all that run see n, and Redis.
func (c *crew) seeEachOther(n int) time.Duration {
	c.Helper()
	return c.all(fmt.Sprintf("see %d instances", n), func(s admin.Status) bool {
		return s.Fleet != nil && s.Fleet.Alive == n && s.Fleet.Redis == "up"
	})
}

// all waits until something is so of all that run, and returns how long that took.
func (c *crew) all(what string, so func(s admin.Status) bool) time.Duration {
	c.Helper()
	began := time.Now()
	eventually(c.T, "all "+what, func() bool {
		for i, h := range c.houses {
			if c.front(i) != "" && !so(h.status()) {
				return false
			}
		}
		return true
	})
	return time.Since(began)
}

// become waits until the circuits of all that run are in one of the states.
func (c *crew) become(states ...string) time.Duration {
	c.Helper()
	return c.all(fmt.Sprint("are ", states), func(s admin.Status) bool {
		return strings.Contains(strings.Join(states, " "), s.Breaker.State)
	})
}

// throws throws the switch at an instance.
func (c *crew) throws(i int, mode string) {
	c.Helper()
	url := "http://" + c.houses[i].gateway.admin + "/admin/v1/mode"
	if status, body := ask(c.T, http.MethodPut, url, `{"mode":"`+mode+`","reason":"test"}`); status != http.StatusOK {
		c.Fatalf("%d %s", status, body)
	}
}

// hold waits until all have a mode.
func (c *crew) hold(mode string) time.Duration {
	c.Helper()
	return c.all("are on "+mode, forced(mode))
}

func forced(mode string) func(s admin.Status) bool {
	return func(s admin.Status) bool {
		return s.Override == nil && mode == "auto" || s.Override != nil && s.Override.Mode.String() == mode
	}
}

// An answer is what one request came to; failed if it was no decision.
type answer struct {
	decision
	Challenge json.RawMessage

	at     time.Time
	took   time.Duration
	failed string
}

func (a answer) String() string {
	return a.Decision + " " + a.Reason + " " + a.Mode + " " + a.Cause + a.failed
}

// asks asks an instance; one that takes no connection, or gets none, leaves the request
// to the next one, as a load balancer has it.
func (c *crew) asks(i int, question map[string]string) (a answer) {
	body, _ := json.Marshal(question) // texts
	began := time.Now()
	for n := range c.houses {
		front := c.front((i + n) % len(c.houses))
		if front == "" {
			continue
		}
		resp, err := c.client.Post("http://"+front+"/v1/verify", "application/json", bytes.NewReader(body))
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		a = answerOf(resp, err)
		break
	}
	a.at, a.took = time.Now(), time.Since(began)
	return a
}

func answerOf(resp *http.Response, err error) (a answer) {
	if err != nil {
		a.failed = err.Error()
		return a
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil || resp.StatusCode != http.StatusOK || a.Decision == "" {
		a.failed = fmt.Sprintf("%d %s %v", resp.StatusCode, text, err)
	}
	return a
}

// atOnce asks all instances the same at once.
func (c *crew) atOnce(question map[string]string) (answers [3]answer) {
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = c.asks(i, question) })
	}
	wg.Wait()
	return answers
}

// users send rate requests a second for a scene, to the instances by their weights, until
// stop is called, which returns what came of them.
func (c *crew) users(scene string, rate int, weights ...int) (stop func() []answer) {
	turns := turnsOf(weights)
	answers, over := make([]answer, 0, rate), make(chan struct{})
	room := make(chan struct{}, 64) // a busy machine gets no more than it can take
	var mu sync.Mutex
	var wg sync.WaitGroup
	wg.Go(func() {
		began := time.Now()
		for n := 0; ; n++ {
			due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
			select {
			case <-over:
				return
			case <-time.After(time.Until(due)):
			}
			c.leavesAfter(time.Since(due))
			question := c.api.user(c.T, scene)
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				a := c.asks(turns[n%len(turns)], question)
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, a)
			})
		}
	})
	return func() []answer {
		close(over)
		wg.Wait()
		return answers
	}
}

func (c *crew) leavesAfter(late time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = max(c.late, late)
}

// stood reports whether this machine stood so long that a gateway, too, gives up on whoever
// is slow: it waits 10 s for a request.
func (c *crew) stood() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late > 4*time.Second
}

// turnsOf spreads turns by weights.
func turnsOf(weights []int) (turns []int) {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	credit := make([]int, len(weights))
	for range sum {
		best := 0
		for i, w := range weights {
			if credit[i] += w; credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= sum
		turns = append(turns, best)
	}
	return turns
}

// noneFailed wants a decision in each answer, and returns how many there were.
func (c *crew) noneFailed(answers []answer) int {
	c.Helper()
	failed, why := 0, ""
	for _, a := range answers {
		if a.failed != "" {
			failed, why = failed+1, a.failed
		}
	}
	switch {
	case failed > 0 && c.stood():
		c.Logf("of %d requests %d failed, on a machine that stood: %s", len(answers), failed, why)
	case failed > 0 || len(answers) == 0:
		c.Errorf("of %d requests %d failed: %s", len(answers), failed, why)
	}
	return len(answers)
}

// allowed are those that let somebody through unverified from then on, and until.
func allowed(answers []answer, from, until time.Time) (n int) {
	for _, a := range answers {
		if a.Reason == "degraded_allow" && a.at.After(from) && a.at.Before(until) {
			n++
		}
	}
	return n
}

// counters reads an instance's metrics.
func (c *crew) counters(i int) map[string]float64 {
	c.Helper()
	_, text := ask(c.T, http.MethodGet, "http://"+c.houses[i].gateway.admin+"/metrics", "")
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ' ')
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64); err == nil && line[0] != '#' {
			values[line[:at]] = value
		}
	}
	return values
}

// calls are how many calls of Redis all have made for requests, and lost how many of them
// nobody waited for to the end, or made at all: then instances go on alone.
func (c *crew) calls() (made, lost int) {
	c.Helper()
	for i := range c.houses {
		values := c.counters(i)
		for _, call := range []string{"take", "marked", "mark", "release"} {
			made += int(values[`captchagate_redis_seconds_count{call="`+call+`"}`])
			lost += int(values[`captchagate_redis_refused_total{call="`+call+`"}`])
		}
		const take = `captchagate_redis_seconds_`
		lost += int(values[take+`count{call="take"}`] - values[take+`bucket{call="take",le="0.025"}`])
	}
	return made, lost
}

// within holds a time to its bound where the machine has nothing else to do.
func (c *crew) within(row, what string, took, most time.Duration) {
	c.Helper()
	c.Logf("%s: %s: %v", row, what, took.Round(time.Millisecond))
	if *full && took > most {
		c.Errorf("%s: %s took %v, want %v at most", row, what, took, most)
	}
}

// Three processes, a real Redis, real sockets: what holds for a fleet, one story after
// the other (F1 to F7, F9, F10).
func TestServe_IsAFleet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := newCrew(t, server.URL())
	c.redis = server
	c.tells(oneSwitch, anAdoption, asksNoRedis, oneAnswer, aTicketOnce, aSolutionOnce, oneBudget, redisIsNeverInTheWay, oneIllInstance, oneProber, oneIncident)
}

// tells tells stories until one fails.
func (c *crew) tells(stories ...func(c *crew)) {
	for _, story := range stories {
		if story(c); c.Failed() {
			return
		}
	}
}
