package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// What the tests read of docker-compose.yml. The module deploy/ looks at the rest of it.
type composed struct {
	Services map[string]struct {
		Command []string
		Secrets []string
	}
}

var root = filepath.Join("..", "..")

func readCompose(t *testing.T) (c composed) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(mustRead(t, filepath.Join(root, "docker-compose.yml"))), &c); err != nil {
		t.Fatal(err)
	}
	return c
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

// The services of docker-compose.yml as processes, with its files, flags and health checks
// on ports of loopback: users and operators come through the load balancer, Prometheus has
// the figures of both gateways, and one gateway killed loses nobody.
func TestCompose_RunsAFleet(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"redis-server", "haproxy", "prometheus"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") != "true" {
			t.Skipf("needs %s on PATH", program)
		}
	}
	s := composeServices(t)
	gateways := []*gatewayProcess{s.gateway(), s.gateway()}
	public, operators := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	balancer := s.balancer(public, operators, gateways)
	figures := s.prometheus(gateways)
	eventually(t, "the load balancer leads to a gateway", func() bool { return s.get("GET", "http://"+public+"/readyz", "", "") == http.StatusOK })
	eventually(t, "and to the operators' API", func() bool {
		return s.get("GET", "http://"+operators+"/admin/v1/status", "", "admin_token") == http.StatusOK
	})
	eventually(t, "the switch is thrown", func() bool {
		return s.get("PUT", "http://"+operators+"/admin/v1/mode", `{"mode":"degraded","reason":"test"}`, "admin_token") == http.StatusOK
	})
	eventually(t, "Prometheus has the mode of both", func() bool {
		_, body := ask(t, http.MethodGet, figures+"/api/v1/query?query=sum(captchagate_mode%7Bmode%3D%22degraded%22%7D)", "")
		return strings.Contains(string(body), `,"2"]`)
	})
	question := `{"ticket":"t03abc","randstr":"@a","user_ip":"203.0.113.7","scene":"login"}`
	for n := range 60 {
		if n == 20 {
			gateways[0].kill(t)
		}
		if status := s.get("POST", "http://"+public+"/v1/verify", question, "shop_key"); status != http.StatusOK {
			t.Fatalf("user %d gets %d; the load balancer says %s", n, status, balancer.stderr)
		}
	}
	if status := s.get("GET", "http://"+operators+"/admin/v1/status", "", "admin_token"); status != http.StatusOK {
		t.Errorf("with one gateway the operators' API answers %d", status)
	}
}

// services are those of docker-compose.yml that run as processes.
type services struct {
	*testing.T

	composed

	secrets    string // the folder that containers see as /run/secrets
	redis, api string // addresses
}

// composeServices starts those that know no other.
func composeServices(t *testing.T) *services {
	t.Helper()
	s := &services{T: t, composed: readCompose(t), secrets: t.TempDir(), redis: "127.0.0.1:" + freePort(t)}
	for _, name := range s.Services["gateway-1"].Secrets {
		if err := os.WriteFile(filepath.Join(s.secrets, name), []byte(secretCalled(name)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(s.redis)
	begin(t, t.TempDir(), os.Environ(), "redis-server", append(slices.Clone(s.Services["redis"].Command), "--port", port, "--bind", "127.0.0.1")...)
	sim := begin(t, t.TempDir(), os.Environ(), "simulator", "--listen", "127.0.0.1:0", "--latency", "1ms")
	found, err := sim.await(sim.stdout, `http://(127\.0\.0\.1:\d+)/`)
	if err != nil {
		t.Fatal(err)
	}
	s.api = found[1]
	s.healthy("simulator", "ready", "http://"+s.api)
	return s
}

func secretCalled(name string) string { return "a-secret-called-" + name }

// gateway starts one of the two, and has its health checked.
func (s *services) gateway() *gatewayProcess {
	s.Helper()
	folder := s.TempDir()
	listen := "127.0.0.1:" + freePort(s.T)
	config := rewritten(s.T, "configs/compose.yaml", map[string]string{
		"0.0.0.0:8080": listen, "0.0.0.0:8081": "127.0.0.1:0", "simulator:8082": s.api, "redis:6379": s.redis,
		"/data/gateway.db": filepath.Join(folder, "gateway.db"), "/run/secrets": s.secrets,
	})
	g, err := startGateway(folder, os.Environ(), config)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { g.conclude(s.T) })
	s.healthy("gateway", "ready", "--config", config)
	return g
}

// healthy runs a health check, which must say so.
func (s *services) healthy(name string, args ...string) {
	s.Helper()
	p := begin(s.T, s.TempDir(), os.Environ(), name, args...)
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		s.Fatalf("%s %v ended with %d: %s", name, args, code, p.stderr)
	}
}

// patientChecks has a load balancer wait for an instance that is late with "ready", on a
// machine that is busy with other things.
const patientChecks = "timeout connect 1s\n    timeout check 1m"

func (s *services) balancer(public, operators string, gateways []*gatewayProcess) *process {
	s.Helper()
	_, port1, _ := net.SplitHostPort(gateways[0].listen)
	_, port2, _ := net.SplitHostPort(gateways[1].listen)
	return begin(s.T, s.TempDir(), os.Environ(), "haproxy", "-db", "-f", rewritten(s.T, "configs/haproxy.cfg", map[string]string{
		"maxconn 8000": "maxconn 100", "timeout connect 1s": patientChecks, "bind :8080": "bind " + public, "bind :8081": "bind " + operators,
		"gateway-1:8080": gateways[0].listen, "gateway-2:8080": gateways[1].listen,
		"gateway-1:8081 port 8080": gateways[0].admin + " port " + port1, "gateway-2:8081 port 8080": gateways[1].admin + " port " + port2,
	}))
}

// prometheus starts it, and returns where it is asked.
func (s *services) prometheus(gateways []*gatewayProcess) string {
	s.Helper()
	listen := "127.0.0.1:" + freePort(s.T)
	config := rewritten(s.T, "configs/prometheus.yml", map[string]string{
		"gateway-1:8081": gateways[0].admin, "gateway-2:8081": gateways[1].admin,
		"/run/secrets": s.secrets, "rules.yml": filepath.Join(absolute(s.T, root), "configs", "prometheus", "rules.yml"),
		"scrape_interval: 5s": "scrape_interval: 1s",
	})
	begin(s.T, s.TempDir(), os.Environ(), "prometheus", "--config.file", config, "--storage.tsdb.path", s.TempDir(), "--web.listen-address", listen, "--log.level", "error")
	eventually(s.T, "Prometheus is ready", func() bool { return s.get("GET", "http://"+listen+"/-/ready", "", "") == http.StatusOK })
	return "http://" + listen
}

// get asks with a secret as bearer, and returns the status; 0 if none came.
func (s *services) get(method, url, body, secret string) int {
	status, _, err := tryAsk(s.T, method, url, body, "Authorization: Bearer "+secretCalled(secret))
	if err != nil {
		return 0
	}
	return status
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
