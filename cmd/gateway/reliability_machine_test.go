package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// C16, S10: 256 descriptors, a thousand idle connections beside users, then an outage.
func TestReliability_FewDescriptors(t *testing.T) {
	trial(t)
	h := newTrial(t)
	h.startUnder("ulimit -n 256")
	stop := make(chan struct{})
	h.strangers(1000, func(int) string { return "" }, stop)
	users := h.comes("login", 50).leavesAfter(10 * time.Second)
	count, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.gateway.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	quiet := len(h.status().Breaker.Transitions)
	h.fault(`{"kind":"hang"}`)
	outage := h.comes("login", 50).leavesAfter(8 * time.Second)
	h.fault("")
	eventually(t, "the circuit closes", func() bool { return h.status().Breaker.State == "closed" })
	close(stop)
	figure(t, "256 descriptors: with 1,000 idle strangers %.1f %% of %d users verified, p99 %v, %d changes of the circuit, %d descriptors open; in a hang %.1f %% answered; closed again after it",
		users.percent(verified), len(users), users.quantile(0.99), quiet, len(count), 100-outage.percent(failed))
	if users.percent(verified) < 95 || quiet > 0 || outage.percent(failed) > 5 {
		t.Errorf("%s\n%s", users.reasons(), outage.reasons())
	}
}

// startUnder starts the gateway by a shell that first runs a command.
func (h *house) startUnder(command string) {
	h.t.Helper()
	p, err := start(h.folder, h.environ, "sh", "-c", command+` && exec "$0" serve --config "$1"`, h.program, h.config())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { p.conclude(h.t) })
	if h.gateway, err = p.becomesGateway(); err != nil {
		h.t.Fatal(err)
	}
}

// A cgroup is one of version 1, of a controller.
type cgroup struct {
	t    *testing.T
	path string
}

func newCgroup(t *testing.T, controller string) cgroup {
	t.Helper()
	c := cgroup{t, filepath.Join("/sys/fs/cgroup", controller, fmt.Sprintf("captchagate-%d", os.Getpid()))}
	if err := os.Mkdir(c.path, 0o755); err != nil {
		t.Skip("no cgroup can be made: ", err)
	}
	t.Cleanup(func() {
		eventually(t, "the cgroup is empty", func() bool { return strings.TrimSpace(c.says("cgroup.procs")) == "" })
		if err := os.Remove(c.path); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c cgroup) sets(file, value string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.path, file), []byte(value), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c cgroup) says(file string) string {
	c.t.Helper()
	return mustRead(c.t, filepath.Join(c.path, file))
}

// enter is the command that puts a shell into it.
func (c cgroup) enter() string { return "echo $$ > " + c.path + "/cgroup.procs" }

// S6: the kernel kills the gateway in an outage because memory is short. What it had
// acknowledged holds after a restart.
func TestReliability_OOMKillInAnOutage(t *testing.T) {
	trial(t)
	h := newTrial(t)
	h.widens()
	group := newCgroup(t, "memory")
	group.sets("memory.limit_in_bytes", "128M")
	h.startUnder(group.enter())
	h.fault(`{"kind":"hang"}`)
	h.run("mode", "degraded", "--scene", "payment", "--reason", "drill-before-the-kill")
	spent := h.ticket("valid")
	let := h.verify(spent, "comment")
	users := h.comes("comment", 200)
	<-time.After(5 * time.Second)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", h.gateway.cmd.Process.Pid), []byte("1000"), 0); err != nil {
		t.Fatal(err)
	}
	hog := begin(t, h.folder, os.Environ(), "sh", "-c", "echo -900 > /proc/self/oom_score_adj; "+group.enter()+"; head -c 160M /dev/zero | tail >/dev/null")
	select {
	case <-h.gateway.ended:
	case <-time.After(patience):
		t.Fatal("nobody was killed")
	}
	_ = hog.end()
	status, _ := h.gateway.cmd.ProcessState.Sys().(syscall.WaitStatus)
	died := time.Now()
	h.startUnder(group.enter())
	back := time.Since(died)
	before := users.leaves().between(died.Add(-4*time.Second), died).that(func(v visit) bool { return v.Reason == "degraded_allow" })
	again := h.verify(spent, "comment")
	drills := h.status().Drills
	figure(t, "OOM kill in an outage: %v; ready again after %v; a drill and its audit kept: %v; a ticket let through before (%s) gets %s after; %d passes in the last 4 s before",
		status.Signal(), back.Round(time.Millisecond), len(drills) == 1 && strings.Contains(h.auditText(), "drill-before-the-kill"), let.Reason, again.Decision+" "+again.Reason, len(before))
	if status.Signal() != syscall.SIGKILL || let.Decision != "allow" || again.Decision == "allow" || len(drills) != 1 {
		t.Errorf("%+v, %+v, %+v", let, again, drills)
	}
	h.gateway.kill(t)
}

func (h *house) auditText() string {
	h.t.Helper()
	_, body := ask(h.t, "GET", "http://"+h.gateway.admin+"/admin/v1/audit", "")
	return string(body)
}

// Half a core and 256 MB: what the process makes of it, and what it can do with it.
func TestReliability_ASmallContainer(t *testing.T) {
	trial(t)
	h := newTrial(t)
	cpu, memory := newCgroup(t, "cpu"), newCgroup(t, "memory")
	cpu.sets("cpu.shares", "100000") // of what others leave: only the quota bounds it
	cpu.sets("cpu.cfs_period_us", "100000")
	cpu.sets("cpu.cfs_quota_us", "50000")
	memory.sets("memory.limit_in_bytes", "256M")
	h.startUnder(cpu.enter() + " && " + memory.enter())
	procs, limit := h.metric("go_sched_gomaxprocs_threads"), h.metric("go_gc_gomemlimit_bytes")
	for _, rate := range []int{200, 500, 2000} {
		h.gateway.lightens(t)
		users := h.comes("login", rate).leavesAfter(10 * time.Second)
		figure(t, "half a core, 256 MB: GOMAXPROCS %.0f, GOMEMLIMIT %.0f MB; at %d/s %.1f %% verified, %.1f %% answered, p50 %v, p99 %v, memory %.0f MB at most; %d changes of the circuit",
			procs, limit/(1<<20), rate, users.percent(verified), 100-users.percent(failed), users.quantile(0.5), users.quantile(0.99), h.gateway.weighs(t).peak, len(h.status().Breaker.Transitions))
		if users.percent(failed) > 0 {
			t.Errorf("at %d/s: %s", rate, users.reasons())
		}
	}
	h.gateway.kill(t)
}
