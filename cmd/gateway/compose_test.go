package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// What the tests read of docker-compose.yml.
type composed struct {
	Services map[string]struct {
		Command     []string
		Environment map[string]string
		Volumes     []string
		Ports       []string
		DependsOn   []string `yaml:"depends_on"`
		MemLimit    string   `yaml:"mem_limit"`
		CPUs        float64  `yaml:"cpus"`
		PidsLimit   int      `yaml:"pids_limit"`
		ReadOnly    bool     `yaml:"read_only"`
		Healthcheck struct{ Test []string }
	}
	Networks map[string]struct {
		Ipam struct{ Config []struct{ Subnet string } }
	}
	Volumes map[string]any
}

var root = filepath.Join("..", "..")

func readCompose(t *testing.T) (text string, c composed) {
	t.Helper()
	text = mustRead(t, filepath.Join(root, "docker-compose.yml"))
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return text, c
}

func TestCompose_BoundsWhatItRuns(t *testing.T) {
	t.Parallel()
	text, c := readCompose(t)
	for _, name := range []string{"gateway-1", "gateway-2", "balancer", "redis", "simulator", "prometheus"} {
		s, there := c.Services[name]
		if !there || s.MemLimit == "" || s.CPUs == 0 || s.PidsLimit == 0 || !s.ReadOnly {
			t.Errorf("%s is not there, or not bounded: %+v", name, s)
		}
		if (strings.HasPrefix(name, "gateway") || name == "balancer" || name == "redis") && len(s.Healthcheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s beyond this machine", name, port)
			}
		}
		for _, other := range s.DependsOn {
			if _, there := c.Services[other]; !there {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			_, named := c.Volumes[source]
			if _, err := os.Stat(filepath.Join(root, source)); !named && err != nil {
				t.Errorf("%s mounts %s: %v", name, source, err)
			}
		}
	}
	for _, variable := range regexp.MustCompile(`\$\{(\w+):\?`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, "#   export "+variable[1]+"=") {
			t.Errorf("the file does not say how to export %s", variable[1])
		}
	}
	if subnet := c.Networks["front"].Ipam.Config[0].Subnet; !strings.Contains(mustRead(t, filepath.Join(root, "configs", "compose.yaml")), "trusted_proxies: ["+subnet+"]") {
		t.Errorf("configs/compose.yaml does not trust the load balancer in %s", subnet)
	}
}

// freePort is a port of loopback that nobody has yet.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// rewritten is a file of the project with other addresses.
func rewritten(t *testing.T, path string, to map[string]string) string {
	t.Helper()
	text := mustRead(t, filepath.Join(root, path))
	for from, address := range to {
		if !strings.Contains(text, from) {
			t.Fatalf("%s no longer holds %q, which this test replaces", path, from)
		}
		text = strings.ReplaceAll(text, from, address)
	}
	file := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The services of docker-compose.yml as processes, with its files and flags on ports of
// loopback: users and operators come through the load balancer, and one gateway killed
// loses nobody.
func TestCompose_RunsAFleet(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"redis-server", "haproxy"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") != "true" {
			t.Skipf("needs %s on PATH", program)
		}
	}
	_, c := readCompose(t)
	redis := freePort(t)
	begin(t, t.TempDir(), os.Environ(), "redis-server", append(slices.Clone(c.Services["redis"].Command), "--port", redis, "--bind", "127.0.0.1")...)
	sim := begin(t, t.TempDir(), os.Environ(), "simulator", "--listen", "127.0.0.1:0", "--latency", "1ms")
	found, err := sim.await(sim.stdout, `http://(127\.0\.0\.1:\d+)/`)
	if err != nil {
		t.Fatal(err)
	}
	environ := os.Environ()
	for name := range c.Services["gateway-1"].Environment {
		environ = append(environ, name+"=a-secret-called-"+name)
	}
	var gateways []*gatewayProcess
	for range 2 {
		folder := t.TempDir()
		config := rewritten(t, "configs/compose.yaml", map[string]string{
			"0.0.0.0:808": "127.0.0.1:0 #", "simulator:8082": found[1], "redis:6379": "127.0.0.1:" + redis, "/data/gateway.db": filepath.Join(folder, "gateway.db"),
		})
		g, err := startGateway(folder, environ, config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.conclude(t) })
		gateways = append(gateways, g)
	}
	public, operators := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	_, port1, _ := net.SplitHostPort(gateways[0].listen)
	_, port2, _ := net.SplitHostPort(gateways[1].listen)
	balancer := begin(t, t.TempDir(), os.Environ(), "haproxy", "-db", "-f", rewritten(t, "configs/haproxy.cfg", map[string]string{
		"maxconn 8000": "maxconn 100", "bind :8080": "bind " + public, "bind :8081": "bind " + operators,
		"gateway-1:8080": gateways[0].listen, "gateway-2:8080": gateways[1].listen,
		"gateway-1:8081 port 8080": gateways[0].admin + " port " + port1, "gateway-2:8081 port 8080": gateways[1].admin + " port " + port2,
	}))
	get := func(method, url, body, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		_ = w.Body.Close()
		return w.StatusCode
	}
	const ops = "a-secret-called-GATEWAY_ADMIN_TOKEN"
	eventually(t, "the load balancer leads to a gateway", func() bool { return get("GET", "http://"+public+"/readyz", "", "") == http.StatusOK })
	eventually(t, "and to the operators' API", func() bool { return get("GET", "http://"+operators+"/admin/v1/status", "", ops) == http.StatusOK })
	if status := get("PUT", "http://"+operators+"/admin/v1/mode", `{"mode":"degraded","reason":"test"}`, ops); status != http.StatusOK {
		t.Fatalf("the switch: %d", status)
	}
	question := `{"ticket":"t03abc","randstr":"@a","user_ip":"203.0.113.7","scene":"login"}`
	for n := range 60 {
		if n == 20 {
			gateways[0].kill(t)
		}
		if status := get("POST", "http://"+public+"/v1/verify", question, "a-secret-called-SHOP_KEY"); status != http.StatusOK {
			t.Fatalf("user %d gets %d; the load balancer says %s", n, status, balancer.stderr)
		}
	}
	if status := get("GET", "http://"+operators+"/admin/v1/status", "", ops); status != http.StatusOK {
		t.Errorf("with one gateway the operators' API answers %d", status)
	}
}
