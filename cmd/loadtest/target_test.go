package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/loadtest"
	"captchagate/loadtest/report"
	"captchagate/loadtest/scenario"
)

const brief = `
name: brief
title: Three seconds in health and two without
phases:
  - {name: healthy, for: 3s, rate: 100/s}
  - {name: outage, for: 2s, rate: 100/s, fault: {kind: empty}}
objectives:
  - useful >= 100%
  - good tickets rejected = 0
  - requests = 500
  - upstream calls > 10
  - opens after <= 1.5s
  - upstream calls after opening <= 60
  - transitions <= 2
`

// Two gateways that run already, one of which tells its operators, and the other
// pages and callers only, are driven side by side and left running; and two runs go into one
// report.
func TestLoadtest_DrivesAndComparesWhatRuns(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "brief.yaml")
	if err := os.WriteFile(path, []byte(brief), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--scenario", path, "--html", filepath.Join(folder, "a.html")}
	var stages []*loadtest.Stage
	for _, name := range []string{"ours", "theirs"} {
		stage, err := loadtest.Open(t.Context(), s, loadtest.Commands{
			Gateway: []string{os.Args[0], "run-gateway"}, Simulator: []string{os.Args[0], "run-simulator"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stage.Close()
		stages = append(stages, stage)
		g := stage.Gateway()
		args = append(args, "--target", name+"=http://"+g.Instances[0].Address, "--simulator", name+"=http://"+g.Simulator)
	}
	ours := stages[0].Gateway().Instances[0]
	args = append(args, "--target-admin", "ours=http://"+ours.Admin)
	one, two := filepath.Join(folder, "a.json"), filepath.Join(folder, "b.json")
	for _, file := range []string{one, two} { // they are still there the second time
		cmd, out, said := command(t, append(args, "--json", file)...)
		cmd.Env = append(cmd.Environ(), admin.TokenVariable+"="+ours.Token)
		err := cmd.Run()
		runs, broken := loadtest.ReadJSON(file)
		if broken != nil {
			t.Fatalf("exit %d, %v\n%s%s", code(err), broken, out, said)
		}
		if banner := "brief: Three seconds in health and two without (5s; Ctrl-C ends it early)\n"; !strings.HasPrefix(said.String(), banner) {
			t.Errorf("it does not begin with %q:\n%s", banner, said)
		}
		r := runs[0]
		if len(r.Targets) != 2 || r.Targets[0].Name != "ours" || r.Targets[0].Circuit == nil || r.Targets[1].Circuit != nil || r.Targets[1].Mode == nil {
			t.Fatalf("the targets are told of as %+v", r.Targets)
		}
		for _, target := range r.Targets {
			for _, o := range missed(target) {
				t.Errorf("%s missed %s: %s", target.Name, o.Text, o.Found)
			}
		}
	}
	alone, _, refused := command(t, "compare", one)
	if err := alone.Run(); code(err) != 2 || !strings.Contains(refused.String(), "a.json holds one") {
		t.Errorf("compared with nothing: exit %d\n%s", code(err), refused)
	}
	both := filepath.Join(folder, "both.html")
	cmd, _, said := command(t, "compare", one, two, "--html", both)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, file := range []string{both, strings.TrimSuffix(both, "html") + "md"} {
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "theirs") {
			t.Errorf("%s: %d bytes, %v", file, len(text), err)
		}
	}
}

// Who compares what does not compare reads so at once, not only in the page, and
// by the names of the files.
func TestCompare_WarnsOfWhatDoesNotCompare(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	args := []string{"compare", "--html", filepath.Join(folder, "both.html")}
	for seed, name := range []string{"a.json", "b.json"} {
		r := loadtest.Run{Scenario: "brief", Seed: uint64(seed), Began: time.Unix(int64(seed), 0), Targets: []loadtest.Target{{Name: "ours", Kept: loadtest.Kept{OK: true}}}}
		f := report.Files{HTML: filepath.Join(folder, "one.html"), JSON: filepath.Join(folder, name)}
		if err := f.Write(r); err != nil {
			t.Fatal(err)
		}
		args = append(args, f.JSON)
	}
	cmd, _, said := command(t, args...)
	if err := cmd.Run(); err != nil || !strings.HasPrefix(said.String(), "warning: a.json and b.json played") || !strings.Contains(said.String(), "seed 0, 1") {
		t.Errorf("%v; it warned of:\n%s", err, said)
	}
	if page, err := os.ReadFile(filepath.Join(folder, "both.html")); err != nil || !strings.Contains(string(page), "seed 0, 1") {
		t.Errorf("the page does not warn; %v", err)
	}
}
