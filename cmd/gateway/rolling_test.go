package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A rolling update as Kubernetes and a load balancer play it, with the files of
// docker-compose.yml: a new instance starts beside the old ones, becomes ready, and an old
// one is told to go and drains, one after the other. No user meets it. make rolling plays
// three at 300 requests a second.
func TestServe_RollsBehindALoadBalancer(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("haproxy"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("needs haproxy on PATH")
	}
	s := composeServices(t)
	r := &rolling{services: s, public: "127.0.0.1:" + freePort(t)}
	replaced, rate := length(1, 3), length(30, 300)
	for range replaced + 1 { // a slot of the load balancer for each, and for the one that is new
		r.slots = append(r.slots, "127.0.0.1:"+freePort(t))
	}
	for slot := range replaced {
		r.running = append(r.running, r.starts(slot))
	}
	r.balances()
	eventually(t, "the load balancer leads to a gateway", func() bool { return s.get("GET", "http://"+r.public+"/readyz", "", "") == http.StatusOK })
	stop := r.users(rate)
	for i := range replaced {
		slot := (replaced + i) % len(r.slots)
		fresh := r.starts(slot)
		<-time.After(2 * time.Second) // the load balancer takes it; what preStop waits for
		r.running[0].signal(t, syscall.SIGTERM, 0, patience)
		r.running = append(r.running[1:], fresh)
	}
	<-time.After(time.Second)
	stop()
	t.Logf("%d instances replaced under %d requests a second: %d requests, %d failed, %d not verified, slowest %v",
		replaced, rate, r.asked.Load(), r.failed.Load(), r.unverified.Load(), time.Duration(r.slowest.Load()))
	if r.failed.Load() > 0 || r.asked.Load() < int64(rate) {
		t.Errorf("of %d requests %d failed: %s", r.asked.Load(), r.failed.Load(), r.why.Load())
	}
}

type rolling struct {
	*services

	public  string
	slots   []string // where the load balancer looks for instances
	running []*gatewayProcess

	asked, failed, unverified, slowest atomic.Int64
	why                                atomic.Value // of the last failure
}

// starts starts an instance in a slot, on a host that is busy with other things.
func (r *rolling) starts(slot int) *gatewayProcess {
	r.Helper()
	folder := r.TempDir()
	config := rewritten(r.T, "configs/compose.yaml", map[string]string{
		"0.0.0.0:8080": r.slots[slot], "0.0.0.0:8081": "127.0.0.1:0", "simulator:8082": r.api, "redis:6379": r.redis,
		"/data/gateway.db": filepath.Join(folder, "gateway.db"), "/run/secrets": r.secrets,
	})
	g, err := startGateway(folder, append(os.Environ(), patient...), config)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { g.conclude(r.T) })
	return g
}

// balances starts the load balancer with a server for each slot.
func (r *rolling) balances() {
	r.Helper()
	var servers strings.Builder
	for i, slot := range r.slots {
		fmt.Fprintf(&servers, "    server slot-%d %s\n", i, slot)
	}
	begin(r.T, r.TempDir(), os.Environ(), "haproxy", "-db", "-f", rewritten(r.T, "configs/haproxy.cfg", map[string]string{
		"maxconn 8000": "maxconn 1000", "timeout connect 1s": patientChecks, "bind :8080": "bind " + r.public, "bind :8081": "bind 127.0.0.1:" + freePort(r.T),
		"    server gateway-1 gateway-1:8080\n": servers.String(), "    server gateway-2 gateway-2:8080\n": "",
		"    server gateway-1 gateway-1:8081 port 8080\n": "", "    server gateway-2 gateway-2:8081 port 8080\n": "",
	}))
}

// users begins to ask, at a rate and with a ticket each, until stop.
func (r *rolling) users(rate int) (stop func()) {
	over := make(chan struct{})
	var wg sync.WaitGroup
	client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	wg.Go(func() {
		var tickets []ticket
		began := time.Now()
		for n := 0; ; n++ {
			select {
			case <-over:
				return
			case <-time.After(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate)))):
			}
			if len(tickets) == 0 {
				tickets = r.tickets(rate)
			}
			question := verifyBody(tickets[0], "login")
			tickets = tickets[1:]
			wg.Go(func() { r.asks(client, question) })
		}
	})
	return func() {
		close(over)
		wg.Wait()
		client.CloseIdleConnections()
	}
}

func (r *rolling) tickets(n int) (made []ticket) {
	_, body, err := tryAsk(r.T, http.MethodPost, "http://"+r.api+"/_sim/tickets", fmt.Sprintf(`{"kind":"valid","count":%d}`, n))
	if err != nil || json.Unmarshal(body, &made) != nil || len(made) != n {
		r.Errorf("the simulator makes no tickets: %v %s", err, body)
		return make([]ticket, n)
	}
	return made
}

// asks asks for one user, and counts what comes of it.
func (r *rolling) asks(client *http.Client, question string) {
	began := time.Now()
	d, err := r.decides(client, question)
	r.asked.Add(1)
	if took := int64(time.Since(began)); took > r.slowest.Load() {
		r.slowest.Store(took)
	}
	if err != nil {
		r.failed.Add(1)
		r.why.Store(err.Error())
	} else if d.Reason != "verified" {
		r.unverified.Add(1)
	}
}

func (r *rolling) decides(client *http.Client, question string) (d decision, err error) {
	request, err := http.NewRequest(http.MethodPost, "http://"+r.public+"/v1/verify", strings.NewReader(question))
	if err != nil {
		return d, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+secretCalled("shop_key"))
	answer, err := client.Do(request)
	if err != nil {
		return d, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || json.Unmarshal(body, &d) != nil || d.Decision == "") {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return d, err
}
