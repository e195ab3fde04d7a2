// Package deploy_test holds what is deployed against what reads it: docker-compose.yml
// against Compose's own loader, deploy/kubernetes against Kustomize and the API's types.
// It is a module of its own so that the gateway's knows nothing of either.
package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads docker-compose.yml as "docker compose" does, with nothing of this
// environment.
func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithName("captchagate"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestCompose_RunsTheWholeFleet(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	for _, name := range []string{"gateway-1", "gateway-2", "balancer", "redis", "simulator", "prometheus", "grafana"} {
		if _, there := project.Services[name]; !there {
			t.Errorf("%s is not there", name)
		}
	}
	for name, s := range project.Services {
		for _, wrong := range append(unbounded(s), append(reachable(s), unhealthy(s)...)...) {
			t.Errorf("%s: %s", name, wrong)
		}
		for other := range s.DependsOn {
			if _, there := project.Services[other]; !there {
				t.Errorf("%s depends on %s, which is not there", name, other)
			}
		}
	}
}

// unbounded says what a service may do that it need not.
func unbounded(s types.ServiceConfig) (wrong []string) {
	check := func(fine bool, text string) {
		if !fine {
			wrong = append(wrong, text)
		}
	}
	check(s.MemLimit > 0 && s.MemLimit <= 512<<20, "has no limit of memory, or a large one")
	check(s.CPUS > 0 && s.CPUS <= 1, "has no limit of CPU")
	check(s.PidsLimit > 0 && s.PidsLimit <= 256, "has no limit of processes")
	check(s.ReadOnly, "can write to its root")
	check(!s.Privileged && len(s.CapAdd) == 0 && len(s.Devices) == 0 && s.Pid == "" && s.Ipc == "" && s.NetworkMode == "", "has rights of the host's")
	check(len(s.CapDrop) == 1 && s.CapDrop[0] == "ALL", "keeps capabilities")
	check(len(s.SecurityOpt) == 1 && s.SecurityOpt[0] == "no-new-privileges:true", "may gain privileges")
	check(s.Logging != nil && s.Logging.Options["max-size"] != "", "may fill the disk with its log")
	return wrong
}

// reachable says where a service is published beyond this machine.
func reachable(s types.ServiceConfig) (wrong []string) {
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			wrong = append(wrong, "publishes "+p.Published+" on "+p.HostIP)
		}
	}
	return wrong
}

// unhealthy says that a service's health is not looked at, or with a secret.
func unhealthy(s types.ServiceConfig) []string {
	if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Timeout == nil {
		return []string{"has no health check with a timeout"}
	}
	for name := range s.Environment {
		if strings.Contains(name, "TOKEN") || strings.Contains(name, "SECRET") || strings.HasSuffix(name, "PASSWORD") {
			return []string{"has a secret in its environment, which docker inspect shows: " + name}
		}
	}
	return nil
}

// What is mounted is there, and read-only unless it is a volume.
func TestCompose_MountsWhatIsThere(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume {
				if _, there := project.Volumes[v.Source]; !there {
					t.Errorf("%s mounts the volume %s, which is not there", name, v.Source)
				}
				continue
			}
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s mounts %s (read-only: %v): %v", name, v.Source, v.ReadOnly, err)
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, "Dockerfile")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Every secret is a file that whoever starts it makes: without it nothing starts, and a
// read-only root takes secrets in no other form. The file's head says how to make them, and
// the gateways read those that they are given.
func TestCompose_SecretsAreFilesThatItsHeadMakes(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	head := read(t, "../docker-compose.yml")
	loop := head[strings.Index(head, "for name in "):strings.Index(head, "; do")]
	for name, secret := range project.Secrets {
		if secret.File != filepath.Join(project.WorkingDir, "secrets", name) || !strings.Contains(loop+" ", " "+name+" ") {
			t.Errorf("%s is the file %q; the head makes secrets/: %s", name, secret.File, loop)
		}
	}
	config := read(t, "../configs/compose.yaml")
	for _, s := range project.Services["gateway-1"].Secrets {
		if !strings.Contains(config, "${file:/run/secrets/"+s.Source+"}") {
			t.Errorf("configs/compose.yaml does not read %s", s.Source)
		}
	}
	if strings.Count(config, "/run/secrets/") != len(project.Services["gateway-1"].Secrets) {
		t.Error("configs/compose.yaml reads secrets that the gateways are not given")
	}
}

// What Redis holds no password for is reached by the gateways alone, and the gateways
// believe the load balancer's network and no other.
func TestCompose_KeepsNetworksApart(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	if !project.Networks["board"].Internal {
		t.Error("Redis can be reached from elsewhere")
	}
	for name, s := range project.Services {
		_, on := s.Networks["board"]
		if want := name == "redis" || strings.HasPrefix(name, "gateway-"); on != want {
			t.Errorf("%s is on the network of Redis: %v", name, on)
		}
	}
	subnet := project.Networks["front"].Ipam.Config[0].Subnet
	if !strings.Contains(read(t, "../configs/compose.yaml"), "trusted_proxies: ["+subnet+"]") {
		t.Errorf("configs/compose.yaml does not trust the load balancer in %s", subnet)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
