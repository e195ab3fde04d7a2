package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/gateway"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/upstream"
)

// A node is a process of Node.js that answers a line of JSON with another.
type node struct {
	t      *testing.T
	input  io.Writer
	output *bufio.Reader
}

// A nodeSDK asks with Tencent's SDKs for Node.js.
type nodeSDK struct {
	node
	gateway string // host and port
	api     string
}

// A nodeCall is a call for testdata/sdk/ask.js.
type nodeCall struct {
	SDK      string         `json:"sdk"`
	Endpoint string         `json:"endpoint"`
	ID       string         `json:"id"`
	Key      string         `json:"key"`
	Sign     string         `json:"sign,omitempty"`
	Method   string         `json:"method,omitempty"`
	Action   string         `json:"action"`
	Skew     int            `json:"skew,omitempty"` // s that its clock is ahead
	Params   map[string]any `json:"params"`
}

type nodeAnswer struct {
	Fields map[string]any `json:"fields"`
	Error  string         `json:"error"`
}

// startNode installs what package-lock.json in the folder of testdata names, and starts
// the script there. What says what that is. It has the test wait for its turn to run in
// parallel, and installs meanwhile.
func startNode(t *testing.T, folder, script, what string) node {
	t.Helper()
	dir, installed := installs(t, folder, what)
	t.Parallel()
	if err := <-installed; err != nil {
		lacking(t, "npm ci could not install %s: %v", what, err)
	}
	process := exec.CommandContext(t.Context(), "node", script)
	process.Dir, process.Stderr = dir, os.Stderr
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = input.Close(); _ = process.Wait() })
	return node{t: t, input: input, output: bufio.NewReader(output)}
}

// lacking ends a test that needs what is not there: in CI that is a failure.
func lacking(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// installs begins to install into a new folder, and says when that is done.
func installs(t *testing.T, folder, what string) (dir string, done <-chan error) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, "needs %s on PATH for %s: %v", program, what, err)
		}
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", folder))); err != nil {
		t.Fatal(err)
	}
	ended, gone := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(gone)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
		install.Dir = dir
		output, err := install.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, output)
		}
		ended <- err
	}()
	t.Cleanup(func() { <-gone }) // before the folder goes
	return dir, ended
}

// asks writes a question, and reads the answer into a.
func (n node) asks(question, a any) {
	n.t.Helper()
	text, err := json.Marshal(question)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(n.input, "%s\n", text); err != nil {
		n.t.Fatal(err)
	}
	line, err := n.output.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, a)
	}
	if err != nil {
		n.t.Fatalf("%v: %s", err, line)
	}
}

func (n *nodeSDK) ask(c nodeCall) (a nodeAnswer) {
	n.t.Helper()
	n.asks(c, &a)
	return a
}

// compare asks the gateway and the API the same, each with a ticket of its own.
func (n *nodeSDK) compare(sim *simulator.Simulator, name, kind string, c nodeCall) (through nodeAnswer) {
	n.t.Helper()
	answers := map[string]nodeAnswer{}
	for _, endpoint := range []string{n.gateway, n.api} {
		tickets, err := sim.Issue(kind, 1)
		if err != nil {
			n.t.Fatal(err)
		}
		c.Endpoint, c.Params = endpoint, maps.Clone(c.Params)
		c.Params["Ticket"] = tickets[0].Ticket
		if c.Action == "web" {
			c.Params["Randstr"] = tickets[0].Randstr
		}
		answers[endpoint] = n.ask(c)
	}
	got, want := withoutNames(answers[n.gateway]), withoutNames(answers[n.api])
	if !reflect.DeepEqual(got, want) {
		n.t.Errorf("%s, %s by %s: through the gateway it parses %v, directly %v", c.SDK, name, c.Sign, got, want)
	}
	return got
}

// withoutNames leaves out the name of the call, and times, which are to the second.
func withoutNames(a nodeAnswer) nodeAnswer {
	for _, name := range []string{"RequestId", "GetCaptchaTime", "SubmitCaptchaTime"} {
		if _, ok := a.Fields[name]; ok {
			a.Fields[name] = "there"
		}
	}
	return a
}

// appOfEachAction has an app for each action of a scene, behind the drop-in.
func appOfEachAction(cfg *config.Config) {
	cfg.Upstream.Apps = nil
	cfg.DropIn = public.DropIn{Scene: "login", ByApp: map[string]string{"190000002": "comment", "190000003": "payment"}}
	for id := range uint64(3) {
		cfg.Upstream.Apps = append(cfg.Upstream.Apps, upstream.App{CaptchaAppID: simulator.DefaultAppID + id, AppSecretKey: simulator.DefaultAppSecretKey})
	}
}

// onSockets starts a simulated API and a gateway before it, and returns both addresses.
func onSockets(t *testing.T, change func(*config.Config)) (sim *simulator.Simulator, gatewayAt, apiAt string) {
	t.Helper()
	cfg := testConfig(t.TempDir())
	change(&cfg)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	sim = simulator.New(accountOf(cfg))
	addresses, ended := make(chan string, 2), make(chan error, 2)
	begin := func(run func(ready func(string)) error) string {
		t.Helper()
		go func() { ended <- run(func(at string) { addresses <- at }) }()
		select {
		case at := <-addresses:
			return at
		case err := <-ended:
			t.Fatal(err)
		}
		return ""
	}
	apiAt = begin(func(ready func(string)) error { return sim.Serve(ctx, "127.0.0.1:0", ready) })
	cfg.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Upstream.Endpoint, cfg.ScriptProbe.URL = "http://"+apiAt, ""
	cfg.Shutdown.Timeout = 5 * time.Second
	cfg.Upstream.Deadline, cfg.Upstream.AttemptTimeout, cfg.Breaker.Window = 10*time.Second, 10*time.Second, 40*time.Second // for busy machines
	g, err := gateway.New(ctx, cfg, nil, func() (config.Config, error) { return cfg, nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	gatewayAt = begin(func(ready func(string)) error { return g.Run(ctx, func(listen, _ string) { ready(listen) }) })
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		g.Close()
	})
	return sim, gatewayAt, apiAt
}

// Tencent's SDKs for Node.js, unchanged but for the endpoint, parse through the gateway
// what they parse from the API. It installs them, 106 MB, in some 10 s.
func TestDropIn_IsTheAPIToNode(t *testing.T) {
	process := startNode(t, "sdk", "ask.js", "Tencent's SDKs")
	sim, gatewayAt, apiAt := onSockets(t, appOfEachAction)
	n := &nodeSDK{node: process, gateway: gatewayAt, api: apiAt}
	call := func(sdk, sign, action string, app uint64) nodeCall {
		return nodeCall{SDK: sdk, Sign: sign, Action: action, ID: simulator.DefaultSecretID, Key: simulator.DefaultSecretKey, Params: map[string]any{
			"CaptchaType": 9, "UserIp": "192.0.2.7", "CaptchaAppId": app, "AppSecretKey": simulator.DefaultAppSecretKey,
		}}
	}
	ways := []struct{ sdk, sign string }{
		{"china", ""}, {"china", "HmacSHA256"}, {"china", "HmacSHA1"}, {"intl", ""}, {"intl", "HmacSHA1"}, {"intl", "TC3-HMAC-SHA256"},
	}
	for _, way := range ways {
		web := call(way.sdk, way.sign, "web", simulator.DefaultAppID)
		if got := n.compare(sim, "verified", simulator.TicketValid, web); got.Fields["CaptchaCode"] != 1.0 {
			t.Errorf("%+v: a good ticket gives %v", way, got)
		}
		n.compare(sim, "rejected", simulator.TicketForged, web)
		if got := n.compare(sim, "malicious", simulator.TicketEvil, web); got.Fields["EvilLevel"] != 100.0 {
			t.Errorf("%+v: a malicious one gives %v", way, got)
		}
		n.compare(sim, "mini", simulator.TicketValid, call(way.sdk, way.sign, "mini", simulator.DefaultAppID))
		for name, want := range map[string]string{"key": "AuthFailure.SignatureFailure", "id": "AuthFailure.SecretIdNotFound", "clock": "AuthFailure.SignatureExpire"} {
			wrong := web
			switch name {
			case "key":
				wrong.Key = "another"
			case "id":
				wrong.ID = "AKIDOTHER"
			case "clock":
				wrong.Skew = -360
			}
			if got := n.compare(sim, "wrong "+name, simulator.TicketValid, wrong); got.Error != want {
				t.Errorf("%+v: a wrong %s gives %v, want %s", way, name, got, want)
			}
		}
	}
	if err := sim.SetFault(simulator.Fault{Kind: simulator.InternalError}); err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		for app, want := range []float64{21, 1, 21} { // challenge, allow, deny
			c := call(way.sdk, way.sign, "web", simulator.DefaultAppID+uint64(app))
			c.Endpoint, c.Params["Ticket"], c.Params["Randstr"] = gatewayAt, fmt.Sprintf("tr03-%s-%s-%d", way.sdk, way.sign, app), "@abc"
			got := n.ask(c)
			message, _ := got.Fields["CaptchaMsg"].(string)
			if got.Error != "" || got.Fields["CaptchaCode"] != want || !strings.HasPrefix(message, "captchagate: ") {
				t.Errorf("%+v: in an outage app %d gets %v, want code %v", way, app, got, want)
			}
		}
	}
}
