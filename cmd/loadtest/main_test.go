package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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

// Real processes, real sockets, a real kill: short stories with numbers that
// hold on a busy machine too. Whether the rate was kept says how busy it is,
// and is not asked here; "make outages" asks.
func TestLoadtest_PlaysOutages(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	for _, name := range []string{"hang", "restart", "script", "brownout"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, out, said := command(t, "--scenario", here(t, "testdata/"+name+".yaml"))
			err := cmd.Run()
			runs, broken := loadtest.ReadJSON(filepath.Join(cmd.Dir, "loadtest.json"))
			if broken != nil {
				t.Fatalf("exit %d, %v\n%s%s", code(err), broken, out, said)
			}
			r := runs[0]
			for _, o := range r.Targets[0].Objectives {
				if !o.Met {
					t.Errorf("missed: %s; found %s", o.Text, o.Found)
				}
			}
			if passed := code(err) == 0; passed != r.Passed {
				t.Errorf("exit %d, and passed is %t", code(err), r.Passed)
			}
			if r.Passed != (r.Targets[0].Kept.OK && !t.Failed()) {
				t.Errorf("passed is %t, kept %+v", r.Passed, r.Targets[0].Kept)
			}
			for _, file := range []string{"loadtest.html", "loadtest.md"} {
				if text, err := os.ReadFile(filepath.Join(cmd.Dir, file)); err != nil || len(text) < 500 {
					t.Errorf("%s: %d bytes, %v", file, len(text), err)
				}
			}
			if t.Failed() {
				t.Logf("%s%s", out, said)
			}
		})
	}
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
		"no scenario":              {nil, "--scenario FILE"},
		"a word":                   {[]string{"hang"}, "--scenario"},
		"an unknown flag":          {[]string{"--speed", "9"}, "unknown flag"},
		"no such file":             {[]string{"--scenario", "none.yaml"}, "none.yaml: cannot be read"},
		"mistakes in it":           {[]string{"--scenario", wrong}, "wrong.yaml:2: phases: must be a list"},
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
		"a folder that is not":  {[]string{"--scenario", hang, "--html", "none/x.html"}, "none/x.html cannot be written"},
		"one name for two":      {[]string{"--scenario", hang, "--html", "x.md"}, "x.md would be written over"},
		"one name for both":     {[]string{"--scenario", hang, "--html", "x.html", "--json", "x.md"}, "the JSON needs a name of its own"},
		"nothing to compare":    {[]string{"compare"}, "needs the files"},
		"a file that is gone":   {[]string{"compare", "a.json"}, "loadtest: a.json cannot be read: no such file or directory\n"},
		"files that are no run": {[]string{"compare", wrong, hang}, "wrong.yaml is not what loadtest --json wrote: it is not JSON at byte"},
		"a file given twice":    {[]string{"compare", hang, wrong, filepath.Dir(hang) + "/./hang.yaml"}, "are the same file"},
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
