package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"captchagate/simulator"
)

// A captchaAPI is how a fleet reaches the Captcha API: each instance through a door of its
// own, in this process, so that one clock tells which probe came when.
type captchaAPI struct {
	*simulator.Simulator
	doors []*door

	mu     sync.Mutex
	probes []*probe
}

// A door is the way of one instance to the API.
type door struct {
	api   *captchaAPI
	at    int
	leads atomic.Pointer[simulator.Simulator] // to whom
	*httptest.Server
}

// A probe is one that came to the API; ended is zero while it is there.
type probe struct {
	by           int // the instance, from 0
	began, ended time.Time
}

func newAPI(t *testing.T, instances int) *captchaAPI {
	t.Helper()
	a := &captchaAPI{Simulator: simulator.New(simulator.Config{Latency: time.Millisecond})}
	for i := range instances {
		d := &door{api: a, at: i}
		d.leads.Store(a.Simulator)
		d.Server = httptest.NewServer(d)
		t.Cleanup(func() {
			d.CloseClientConnections()
			d.Close()
		})
		a.doors = append(a.doors, d)
	}
	return a
}

func (d *door) address() string { return strings.TrimPrefix(d.URL, "http://") }

// ServeHTTP notes probes, and leads all to the simulator.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the instance was killed
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var asked struct{ Ticket string }
		if json.Unmarshal(body, &asked) == nil && strings.HasPrefix(asked.Ticket, "trerror_") {
			defer d.api.probed(d.at)()
		}
	}
	d.leads.Load().ServeHTTP(w, r)
}

func (a *captchaAPI) probed(by int) (ended func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &probe{by: by, began: time.Now()}
	a.probes = append(a.probes, p)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		p.ended = time.Now()
	}
}

// since are the probes that came from then on.
func (a *captchaAPI) since(then time.Time) (probes []probe) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.probes {
		if !p.began.Before(then) {
			probes = append(probes, *p)
		}
	}
	return probes
}

// together are how many probes came while another was there.
func together(probes []probe) (n int) {
	for i, p := range probes {
		for _, before := range probes[:i] {
			if before.ended.IsZero() || before.ended.After(p.began) {
				n++
				break
			}
		}
	}
	return n
}

// user is a good ticket's question for a scene.
func (a *captchaAPI) user(t *testing.T, scene string) map[string]string {
	t.Helper()
	made, err := a.Issue(simulator.TicketValid, 1)
	if err != nil {
		t.Fatal(err)
	}
	n := people.Add(1)
	return map[string]string{
		"ticket": made[0].Ticket, "randstr": made[0].Randstr, "scene": scene,
		"user_ip": fmt.Sprintf("10.%d.%d.1", n/250%250, n%250),
	}
}

// people are how many users there were: each has an address of their own.
var people atomic.Int64

// breaks has the API fail, until ClearFault.
func (a *captchaAPI) breaks(t *testing.T, kind simulator.Kind) {
	t.Helper()
	if err := a.SetFault(simulator.Fault{Kind: kind}); err != nil {
		t.Fatal(err)
	}
}
