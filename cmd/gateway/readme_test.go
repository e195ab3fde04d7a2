package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"captchagate/config"
)

// fenced are the blocks of README.md in a language.
func fenced(t *testing.T, language string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, found[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("README.md has no block in %s", language)
	}
	return blocks
}

var (
	remark  = regexp.MustCompile(`(?m)\s+# .*$`)
	program = regexp.MustCompile(`^(?:go run \./cmd/|bin/)(\w+) (.+)$`)
)

// Every command in README.md does what stands there, against the two processes that it
// has started, or is played by another test; one that nobody knows is a mistake.
func TestReadme_CommandsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	h := newHouse(t) // "simulator --listen …" and "gateway serve --config configs/gateway.yaml"
	started := map[string]string{
		"simulator": "--listen 127.0.0.1:8082",
		"gateway":   "serve --config configs/gateway.yaml",
	}
	played := map[string]string{
		"gateway":  "demo",                                   // TestDemo_PrintsCommandsThatDoWhatTheySay
		"loadtest": "--scenario configs/scenarios/hang.yaml", // TestLoadtest_PlaysOutages; every scenario is read in loadtest/scenario
	}
	for _, block := range fenced(t, "sh") {
		if strings.Contains(block, "curl ") {
			h.readmeAsks(block)
			continue
		}
		for line := range strings.Lines(remark.ReplaceAllString(block, "")) {
			line = strings.TrimSpace(line)
			found := program.FindStringSubmatch(line)
			switch {
			case line == "go test ./...", line == "go build -o bin/ ./cmd/gateway": // as CI does
			case found == nil:
				t.Errorf("nobody runs what README.md says: %s", line)
			case found[2] == started[found[1]] || found[2] == played[found[1]]:
			case found[1] == "gateway":
				h.readmeRuns(found[2])
			default:
				t.Errorf("nobody runs what README.md says: %s", line)
			}
		}
	}
}

// readmeAsks pastes README.md's question into a shell.
func (h *house) readmeAsks(commands string) {
	h.t.Helper()
	if _, err := exec.LookPath("curl"); err != nil && os.Getenv("CI") != "true" {
		h.t.Log("README.md's question is not asked: there is no curl on PATH")
		return
	}
	commands = strings.NewReplacer("127.0.0.1:8080", h.gateway.listen, "127.0.0.1:8082", h.simulator).Replace(commands)
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	answer, err := exec.CommandContext(ctx, "sh", "-c", commands).CombinedOutput()
	if want := `{"decision":"allow","reason":"verified"`; err != nil || !strings.Contains(string(answer), want) {
		h.t.Errorf("README.md's question is answered with %s (%v), want %s", answer, err, want)
	}
}

// readmeRuns runs a command of gateway's, which must end with 0.
func (h *house) readmeRuns(line string) {
	h.t.Helper()
	args, err := shellWords(line)
	if err != nil {
		h.t.Fatal(err)
	}
	if args[0] != "check" {
		h.run(args...)
		return
	}
	p := begin(h.t, h.folder, h.environ, "gateway", strings.Fields(strings.ReplaceAll(line, "configs/gateway.yaml", h.config()))...)
	select {
	case <-p.ended:
	case <-time.After(patience):
		h.t.Fatalf("gateway %s has not ended in %v", line, patience)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		h.t.Errorf("gateway %s ended with %d: %s", line, code, p.stderr)
	}
}

// The file for an account is one, and so is a fleet's: the same and the lines below.
func TestReadme_FilesAreTaken(t *testing.T) {
	t.Parallel()
	files := fenced(t, "yaml")
	secret := strings.Repeat("0123456789abcdef", 3)
	for name, text := range map[string]string{"account": files[0], "fleet": files[0] + files[1]} {
		path := filepath.Join(t.TempDir(), name+".yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, []string{
			"TENCENTCLOUD_SECRET_ID=AKIDEXAMPLE000000000", "TENCENTCLOUD_SECRET_KEY=" + secret, "CAPTCHA_APP_ID=190000001", "CAPTCHA_APP_SECRET_KEY=" + secret,
			"SHOP_KEY=of-the-shop-" + secret, "FLEET_SECRET=" + secret, "CHALLENGE_SECRET=of-challenges-" + secret, "GATEWAY_ADMIN_TOKEN=of-operators-" + secret,
		})
		if err != nil {
			t.Errorf("README.md's file for %s:\n%v", name, err)
		}
		if lines := strings.Count(text, "\n"); lines > 10*2 {
			t.Errorf("README.md's file for %s has %d lines", name, lines)
		}
	}
}
