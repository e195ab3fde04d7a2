package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this test binary run as the command gateway too, with the race
// detector if the tests have it.
func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"gateway": main})
}

// noLinger has commands under the race detector end at once, and not a second
// later.
const noLinger = "atexit_sleep_ms=0"

// suite runs the tests with the command simulator in PATH.
type suite struct{ tests *testing.M }

func (s suite) Run() int {
	folder, err := os.MkdirTemp("", "captchagate-commands-")
	if err == nil {
		defer func() { _ = os.RemoveAll(folder) }()
		err = buildSimulator(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the simulator cannot be built for the tests:", err)
		return 1
	}
	_ = os.Setenv("GORACE", noLinger)
	_ = os.Setenv("PATH", folder+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return s.tests.Run()
}

func buildSimulator(folder string) error {
	args := []string{"build", "-o", folder}
	if raceEnabled() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "captchagate/cmd/simulator")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func raceEnabled() bool {
	build, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestGateway_RunsTheScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "within": within, "taken": taken, "serve": serveConfig, "json": jsonHas,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", noLinger)
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
