package main

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
)

// A house is a gateway and a simulator as two processes, on the configuration
// that the project ships for this, in a folder of their own.
type house struct {
	t         *testing.T
	folder    string
	environ   []string
	api       *process // the simulator
	simulator string   // its address
	gateway   *gatewayProcess
	program   string      // that is the gateway; "" for this one
	trust     *tls.Config // of the gateway's certificate; nil = it speaks no TLS
}

// patient is a gateway on a busy machine: a call that is late is no failure, and moves no
// circuit. Of its tests those that are about time say their own.
var patient = []string{
	"GATEWAY__UPSTREAM__DEADLINE=1m", "GATEWAY__UPSTREAM__ATTEMPT_TIMEOUT=1m",
	"GATEWAY__BREAKER__WINDOW=2m", "GATEWAY__BREAKER__SLOW_CALL=1m",
}

// newHouse starts both; environ is for the gateway, as in "NAME=value".
func newHouse(t *testing.T, environ ...string) *house {
	h := furnish(t, slices.Concat(patient, environ)...)
	h.start()
	return h
}

// furnish is newHouse whose gateway has not started, and is not patient.
func furnish(t *testing.T, environ ...string) *house {
	t.Helper()
	h := &house{t: t, folder: t.TempDir(), environ: slices.Concat(os.Environ(), []string{admin.TokenVariable + "=" + operatorsToken}, environ)}
	sim := begin(t, h.folder, os.Environ(), "simulator", "--listen", "127.0.0.1:0", "--latency", "1ms")
	found, err := sim.await(sim.stdout, `http://(127\.0\.0\.1:\d+)/`)
	if err != nil {
		t.Fatal(err)
	}
	h.api, h.simulator = sim, found[1]
	h.writeToken()
	h.write(h.shipped())
	return h
}

// operatorsToken is in the token file of every house.
const operatorsToken = "operators-token-0123456789"

func (h *house) writeToken() {
	h.t.Helper()
	folder := filepath.Join(h.folder, "data")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "admin.token"), []byte(operatorsToken), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// shipped is configs/gateway.yaml on free ports, and with logs in the form that
// they have by default.
func (h *house) shipped() string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "configs", "gateway.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	config := string(text)
	for _, change := range [][2]string{
		{"127.0.0.1:8082", h.simulator}, {"127.0.0.1:8080", "127.0.0.1:0"},
		{"127.0.0.1:8081", "127.0.0.1:0"}, {"log:\n  format: text\n", ""},
	} {
		if !strings.Contains(config, change[0]) {
			h.t.Fatalf("configs/gateway.yaml no longer holds %q, which this test replaces", change[0])
		}
		config = strings.ReplaceAll(config, change[0], change[1])
	}
	return config
}

func (h *house) config() string { return filepath.Join(h.folder, "gateway.yaml") }

func (h *house) write(config string) {
	h.t.Helper()
	if err := os.WriteFile(h.config(), []byte(config), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// start starts the gateway, also once more after it ended.
func (h *house) start() {
	h.t.Helper()
	g, err := startProgram(cmp.Or(h.program, "gateway"), h.folder, h.environ, h.config())
	if err != nil {
		h.t.Fatal(err)
	}
	h.gateway = g
	h.t.Cleanup(func() { g.conclude(h.t) })
}

// run is a command of gateway's that speaks to this one; it wants exit 0.
func (h *house) run(args ...string) string {
	h.t.Helper()
	p := begin(h.t, h.folder, h.environ, "gateway", append(args, "--admin-url", "http://"+h.gateway.admin)...)
	select {
	case <-p.ended:
	case <-time.After(patience):
		h.t.Fatalf("gateway %v has not ended in %v", args, patience)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		h.t.Fatalf("gateway %v ended with %d: %s", args, code, p.stderr)
	}
	return p.stdout.String()
}

func (h *house) status() (s admin.Status) {
	h.t.Helper()
	_, body := ask(h.t, http.MethodGet, "http://"+h.gateway.admin+"/admin/v1/status", "")
	if err := json.Unmarshal(body, &s); err != nil {
		h.t.Fatalf("%v in %s", err, body)
	}
	return s
}

// fault makes the simulator fail; "" mends it.
func (h *house) fault(fault string) {
	h.t.Helper()
	method := http.MethodPut
	if fault == "" {
		method = http.MethodDelete
	}
	if status, body := ask(h.t, method, "http://"+h.simulator+"/_sim/fault", fault); status != http.StatusOK {
		h.t.Fatalf("the simulator answers %d: %s", status, body)
	}
}

type ticket struct {
	Ticket  string `json:"ticket"`
	Randstr string `json:"randstr"`
}

func (h *house) ticket(kind string) ticket {
	h.t.Helper()
	_, body := ask(h.t, http.MethodPost, "http://"+h.simulator+"/_sim/tickets", `{"kind":"`+kind+`"}`)
	var made []ticket
	if err := json.Unmarshal(body, &made); err != nil || len(made) != 1 {
		h.t.Fatalf("%v in %s", err, body)
	}
	return made[0]
}

// A decision is what a backend reads of the answer.
type decision struct {
	Decision, Reason, Assurance, Mode, Cause string
	Attempts                                 int
}

func decisionOf(t *testing.T, status int, body []byte) (d decision) {
	t.Helper()
	if err := json.Unmarshal(body, &d); err != nil || status != http.StatusOK {
		t.Fatalf("the gateway answers %d: %s", status, body)
	}
	return d
}

// verify asks about a ticket for a scene.
func (h *house) verify(about ticket, scene string) decision {
	h.t.Helper()
	status, body := ask(h.t, http.MethodPost, "http://"+h.gateway.listen+"/v1/verify", verifyBody(about, scene))
	return decisionOf(h.t, status, body)
}

func verifyBody(about ticket, scene string) string {
	body, _ := json.Marshal(map[string]string{ // strings: it cannot fail
		"ticket": about.Ticket, "randstr": about.Randstr, "user_ip": "203.0.113.7", "scene": scene,
	})
	return string(body)
}

// ask sends a request on a connection of its own, so that none is kept open
// that a draining process would wait for.
func ask(t *testing.T, method, url, body string, headers ...string) (status int, answer []byte) {
	t.Helper()
	status, answer, err := tryAsk(t, method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

func tryAsk(t *testing.T, method, url, body string, headers ...string) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Close = true
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+operatorsToken)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	client := http.Client{Timeout: patience}
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// eventually polls until holds does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(patience)
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for !holds() {
		select {
		case <-ticks.C:
		case <-late:
			t.Fatalf("%s: not so after %v", what, patience)
		}
	}
}
