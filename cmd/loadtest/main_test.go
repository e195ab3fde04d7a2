package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"captchagate/loadtest"
)

// asCommand has this test binary run as the command, with the race detector
// if the tests have it.
const asCommand = "LOADTEST_RUN_AS_COMMAND"

func TestMain(m *testing.M) {
	child := len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "run-")
	if child || os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) (cmd *exec.Cmd, out, said *bytes.Buffer) {
	t.Helper()
	out, said = &bytes.Buffer{}, &bytes.Buffer{}
	cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, said, t.TempDir()
	return cmd, out, said
}

func code(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

func here(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Real processes, real sockets, a real kill: short stories with numbers that hold on a
// busy machine too. On one that is too busy to keep the rate they prove nothing, and are
// played again: nobody may be taken for another even then, but the rest is not asked for
// after three times. "make outages" asks whether the rate was kept.
func TestLoadtest_PlaysOutages(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	for _, name := range []string{"hang", "restart", "script", "brownout", "heal", "far", "instances", "fleet", "shadow"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("redis-server"); err != nil && name == "fleet" && os.Getenv("CI") != "true" {
				t.Skip("redis-server is not on PATH")
			}
			for range 3 {
				if tells(t, here(t, "testdata/"+name+".yaml")) {
					return
				}
			}
			tooBusy(t)
		})
	}
}

// tells plays a scenario, and reports whether that told something.
func tells(t *testing.T, path string) (told bool) {
	t.Helper()
	cmd, out, said := command(t, "--scenario", path)
	err := cmd.Run()
	runs, broken := loadtest.ReadJSON(filepath.Join(cmd.Dir, "loadtest.json"))
	if broken != nil && (strings.Contains(said.String(), "Client.Timeout exceeded") || strings.Contains(said.String(), "i/o timeout")) {
		t.Logf("steering it took too long:\n%s", said)
		return false
	}
	if broken != nil {
		t.Fatalf("exit %d, %v\n%s%s", code(err), broken, out, said)
	}
	r := runs[0]
	if passed := code(err) == 0; passed != r.Passed {
		t.Errorf("exit %d, and passed is %t", code(err), r.Passed)
	}
	for _, file := range []string{"loadtest.html", "loadtest.md"} {
		if text, err := os.ReadFile(filepath.Join(cmd.Dir, file)); err != nil || len(text) < 500 {
			t.Errorf("%s: %d bytes, %v", file, len(text), err)
		}
	}
	told = meets(t, r)
	if t.Failed() || !told {
		t.Logf("%s%s", out, said)
	}
	return told || t.Failed()
}

// missed are the objectives that a target missed. Of a run that did not keep its rate it
// is those about wrong answers alone: the others prove nothing.
func missed(target loadtest.Target) (missed []loadtest.Objective) {
	for _, o := range target.Objectives {
		wrong := strings.HasPrefix(o.Text, "good tickets rejected") || strings.HasPrefix(o.Text, "bad tickets allowed")
		if !o.Met && (wrong || target.Kept.OK) {
			missed = append(missed, o)
		}
	}
	return missed
}

// meets fails for each objective that was missed. It reports whether the run told of all:
// they were met, or the rate was kept.
func meets(t *testing.T, r loadtest.Run) bool {
	t.Helper()
	target := r.Targets[0]
	for _, o := range missed(target) {
		t.Errorf("missed: %s; found %s", o.Text, o.Found)
	}
	met := !slices.ContainsFunc(target.Objectives, func(o loadtest.Objective) bool { return !o.Met })
	if r.Passed != (target.Kept.OK && met) {
		t.Errorf("passed is %t, kept %+v", r.Passed, target.Kept)
	}
	return met || target.Kept.OK
}

// tooBusy ends a test that this machine was too busy for: in CI that is a failure.
func tooBusy(t *testing.T) {
	t.Helper()
	end := t.Skip
	if os.Getenv("CI") == "true" {
		end = t.Fatal
	}
	end("three times this machine was too busy to tell")
}

// Requests go round by weight, none to an instance that is killed, and some again once it
// is back; all of that is told. A machine too busy to keep the rate plays it again.
func TestLoadtest_PlaysInstances(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "two.yaml")
	text := "name: two\ntitle: x\ninstances: 2\nbalance: [3, 1]\nobjectives: [useful >= 90%]\nphases:\n" +
		"  - {name: both, for: 2s, rate: 40/s}\n  - {name: one, for: 2s, rate: 40/s, kill: {instance: 2}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		cmd, out, said := command(t, "--scenario", path)
		err := cmd.Run()
		runs, broken := loadtest.ReadJSON(filepath.Join(cmd.Dir, "loadtest.json"))
		if broken != nil {
			t.Fatalf("exit %d, %v\n%s%s", code(err), broken, out, said)
		}
		target := runs[0].Targets[0]
		m := target.Members
		if len(m) != 2 || m[0].Sent+m[1].Sent != 160 || len(m[1].Away()) != 1 {
			t.Fatalf("160 requests to two, one of whom was killed: %+v", m)
		}
		for _, want := range []string{"\n  instance 1: 1", "\n  instance 2: ", ", down from "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the summary lacks %q:\n%s", want, out)
			}
		}
		asTold := m[0].Sent >= 125 && m[0].Sent <= 141 && len(m[0].Away()) == 0
		if !asTold && target.Kept.OK {
			t.Errorf("of 80 requests to both by 3 to 1, and 80 to one when the other was gone: %+v", m)
		}
		if asTold || target.Kept.OK {
			return
		}
		t.Logf("not kept: %+v, %+v", target.Kept, m)
	}
	tooBusy(t)
}

// Ctrl-C writes what was until then, ends with 1 and leaves nothing behind. A
// terminal sends it to all processes of the command, and so does this.
func TestLoadtest_EndsEarly(t *testing.T) {
	t.Parallel()
	cmd, out, said := command(t, "--scenario", here(t, "testdata/hang.yaml"))
	temporary := t.TempDir()
	cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
	cmd.Stderr = &waiter{buffer: said, until: "outage", then: func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Run(); code(err) != 1 {
		t.Fatalf("exit %d, want 1\n%s%s", code(err), out, said)
	}
	runs, err := loadtest.ReadJSON(filepath.Join(cmd.Dir, "loadtest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r := runs[0]; !r.EndedEarly || r.Passed || r.Targets[0].Total.Answers.Verified == 0 {
		t.Errorf("early %t, passed %t", r.EndedEarly, r.Passed)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// A waiter does something once a word was written.
type waiter struct {
	buffer *bytes.Buffer
	until  string
	then   func()
}

func (w *waiter) Write(p []byte) (int, error) {
	n, err := w.buffer.Write(p)
	if w.then != nil && strings.Contains(w.buffer.String(), w.until+" ") {
		w.then()
		w.then = nil
	}
	return n, err
}

func TestLoadtest_RefusesWrongUsage(t *testing.T) {
	t.Parallel()
	hang := here(t, "testdata/hang.yaml")
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("name: x\nphases: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	badGateway := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "name: x\ntitle: x\ngateway: {upstream.max_attempts: 9}\nphases: [{name: a, for: 1s, rate: 1/s}]\nobjectives: [useful >= 1%]\n"
	if err := os.WriteFile(badGateway, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no scenario":     {nil, "--scenario FILE"},
		"a word":          {[]string{"hang"}, "--scenario"},
		"an unknown flag": {[]string{"--speed", "9"}, "unknown flag"},
		"no such file":    {[]string{"--scenario", "none.yaml"}, "none.yaml: cannot be read"},
		"mistakes in it":  {[]string{"--scenario", wrong}, "wrong.yaml:2: phases: must be a list"},
		"a fleet of those that run": {[]string{"--scenario", here(t, "testdata/fleet.yaml"), "--target", "http://127.0.0.1:1", "--simulator", "http://127.0.0.1:2", "--target-admin", "http://127.0.0.1:3"},
			"its gateway has instances or a Redis of its own, and target was started without; leave --target out"},
		"a gateway that cannot be": {[]string{"--scenario", badGateway}, "upstream.max_attempts"},
		"a target elsewhere":       {[]string{"--scenario", hang, "--target", "http://192.0.2.1:80", "--simulator", "http://127.0.0.1:1"}, "loopback"},
		"a target with a path":     {[]string{"--scenario", hang, "--target", "http://127.0.0.1:1/v1"}, "[NAME=]URL"},
		"no simulator":             {[]string{"--scenario", hang, "--target", "http://127.0.0.1:1"}, "the target needs the simulator behind it; add --simulator URL"},
		"a simulator for nobody":   {[]string{"--scenario", hang, "--simulator", "http://127.0.0.1:1"}, "http://127.0.0.1:1 is for the target, and there is none; add --target URL"},
		"a simulator for another":  {[]string{"--scenario", hang, "--target", "a=http://127.0.0.1:1", "--simulator", "a=http://127.0.0.1:2", "--simulator", "b=http://127.0.0.1:3"}, "http://127.0.0.1:3 is for the target b, and there is none; add --target b=URL"},
		"no simulator for a name":  {[]string{"--scenario", hang, "--target", "ours=http://127.0.0.1:1"}, "the target ours needs the simulator behind it; add --simulator ours=URL"},
		"two without a name":       {[]string{"--scenario", hang, "--target", "http://127.0.0.1:1", "--target", "http://127.0.0.1:2"}, "--target is given twice for the target; name each differently, as NAME=URL"},
		"a kill of what runs":      {[]string{"--scenario", here(t, "testdata/restart.yaml"), "--target", "http://127.0.0.1:1", "--simulator", "http://127.0.0.1:2", "--target-admin", "http://127.0.0.1:3"}, "and target is not ours to kill"},
		"objectives that it does not tell": {[]string{"--scenario", hang, "--target", "http://127.0.0.1:1", "--simulator", "http://127.0.0.1:2"},
			"hang.yaml:18: \"circuit changes >= 4\" asks for what nobody tells of target; give --target-admin target=URL, or"},
		"a shared simulator": {[]string{"--scenario", hang, "--target", "a=http://127.0.0.1:1", "--target", "b=http://127.0.0.1:2",
			"--simulator", "a=http://127.0.0.1:3", "--simulator", "b=http://127.0.0.1:3"}, "share a simulator"},
		"a folder that is not":        {[]string{"--scenario", hang, "--html", "none/x.html"}, "none/x.html cannot be written"},
		"one name for two":            {[]string{"--scenario", hang, "--html", "x.md"}, "x.md would be written over"},
		"one name for both":           {[]string{"--scenario", hang, "--html", "x.html", "--json", "x.md"}, "the JSON needs a name of its own"},
		"nothing to compare":          {[]string{"compare"}, "needs the files"},
		"a flag that compare has not": {[]string{"compare", "--speed", "9"}, `Run "loadtest compare --help" to see`},
		"a file that is gone":         {[]string{"compare", "a.json"}, "loadtest: a.json cannot be read: no such file or directory\n"},
		"files that are no run":       {[]string{"compare", wrong, hang}, "wrong.yaml is not what loadtest --json wrote: it is not JSON at byte"},
		"a file given twice":          {[]string{"compare", hang, wrong, filepath.Dir(hang) + "/./hang.yaml"}, "are the same file"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, _, said := command(t, c.args...)
			if err := cmd.Run(); code(err) != 2 || !strings.Contains(said.String(), c.want) {
				t.Errorf("exit %d, want 2 and %q; it said:\n%s", code(err), c.want, said)
			}
			if strings.Contains(said.String(), "Ctrl-C ends it early") {
				t.Errorf("it says that it begins:\n%s", said)
			}
			if left, _ := os.ReadDir(cmd.Dir); len(left) > 0 {
				t.Errorf("it wrote %v", left)
			}
		})
	}
}

// Who has no redis-server reads so before anything is sent, and how to get one.
func TestLoadtest_SaysThatRedisIsMissing(t *testing.T) {
	t.Parallel()
	cmd, _, said := command(t, "--scenario", here(t, "testdata/fleet.yaml"))
	cmd.Env = append(cmd.Env, "PATH="+t.TempDir())
	err := cmd.Run()
	if code(err) != 2 || !strings.Contains(said.String(), "it needs redis-server on PATH, and there is none; install it, for instance with apt-get install redis-server") {
		t.Errorf("exit %d\n%s", code(err), said)
	}
	if left, _ := os.ReadDir(cmd.Dir); len(left) > 0 {
		t.Errorf("it wrote %v", left)
	}
}

// What fails at run time ends with 1.
func TestLoadtest_SaysThatATargetIsAway(t *testing.T) {
	t.Parallel()
	cmd, _, said := command(t, "--scenario", here(t, "testdata/hang.yaml"),
		"--target", "http://127.0.0.1:1", "--simulator", "http://127.0.0.1:2", "--target-admin", "http://127.0.0.1:3")
	if err := cmd.Run(); code(err) != 1 || !strings.Contains(said.String(), "is it running?") {
		t.Errorf("exit %d\n%s", code(err), said)
	}
}

func TestLoadtest_HelpTeaches(t *testing.T) {
	t.Parallel()
	cmd, out, _ := command(t, "--help")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"configs/scenarios/hang.yaml", "--target", "compare", "Ctrl-C", "ends with 0",
		"the simulator behind a target, as [NAME=]URL"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("--help does not tell of %q", want)
		}
	}
	if strings.Contains(out.String(), "run-gateway") {
		t.Error("--help shows what is not for people")
	}
}
