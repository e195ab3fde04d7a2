package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"captchagate/alarms"
	"captchagate/challenge"
	"captchagate/simulator"
	"captchagate/store/redis/redistest"
)

const (
	rulesFile = "../configs/prometheus/rules.yml"
	boardFile = "../configs/grafana/dashboard.json"
	runbook   = "../docs/runbook.md"
)

// program is where one of Debian's package prometheus is. Without it the test is skipped,
// and fails instead if CI is true.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatalf("%s is not on PATH; it is in Debian's package prometheus", name)
	case err != nil:
		t.Skipf("%s is not on PATH", name)
	}
	return path
}

// A rule fires at what it is for and at nothing in peace: promtool says so.
func TestRules_FireAsTheirTestsSay(t *testing.T) {
	promtool := program(t, "promtool")
	for _, args := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", strings.TrimSuffix(rulesFile, ".yml") + "_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests := text(t, strings.TrimSuffix(rulesFile, ".yml")+"_test.yml")
	for _, name := range alertsOf(t) {
		if !regexp.MustCompile(`alertname: ` + name + `\n\s+exp_alerts`).MatchString(tests) {
			t.Errorf("no test has %s fire", name)
		}
	}
}

// Whoever is woken finds what to do: each rule names its entry of the runbook, and each
// alert, alarm and state of the dashboard has one of four parts, or one that leads to it.
func TestRules_HaveAnEntryEach(t *testing.T) {
	entries := map[string]string{}
	for _, entry := range strings.Split(text(t, runbook), "\n### ")[1:] {
		title, body, _ := strings.Cut(entry, "\n")
		entries[title], _, _ = strings.Cut(body, "\n## ")
	}
	whole := func(title string) {
		for _, part := range []string{"**See**:", "**Means**:", "**Do**:", "**Don't**:"} {
			if !strings.Contains(entries[title], part) && !strings.Contains(entries[title], "See [Captchagate") {
				t.Errorf("%s has no entry in docs/runbook.md that says %s", title, part)
			}
		}
	}
	for _, name := range alertsOf(t) {
		whole(name)
		if link := "runbook_url: docs/runbook.md#" + strings.ToLower(name) + "\n"; strings.Count(text(t, rulesFile), link) != 1 {
			t.Errorf("%s does not name its entry: want %s", name, link)
		}
	}
	for _, kind := range alarms.Kinds() {
		whole(string(kind))
	}
	for _, state := range []string{"Normal", "Outage", "Recovering", "Forced degraded", "Forced normal in an outage", "Suspect", "One ill instance", "Redis away"} {
		if entries[state] == "" {
			t.Errorf("docs/runbook.md does not say what to do in the state %q", state)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(#([a-z]+)\)`).FindAllStringSubmatch(text(t, runbook), -1) {
		found := false
		for title := range entries {
			found = found || strings.ToLower(title) == link[1]
		}
		if !found {
			t.Errorf("docs/runbook.md leads to #%s, which is not there", link[1])
		}
	}
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func alertsOf(t *testing.T) (names []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\s+- alert: (\w+)$`).FindAllStringSubmatch(text(t, rulesFile), -1) {
		names = append(names, m[1])
	}
	if len(names) < 10 {
		t.Fatalf("there are the alerts %v only", names)
	}
	return names
}

// A played outage of an instance of a fleet, scraped by a real Prometheus: each query of
// each panel of the board returns figures, and the rules fire.
func TestDashboard_ShowsAPlayedOutage(t *testing.T) {
	binary := program(t, "prometheus")
	queries := queriesOf(t)
	cfg := testConfig(t.TempDir())
	cfg.Challenge.Secret = challenge.Secrets{"challenge-secret-of-the-fleet-0123456789"}
	cfg.Store.Redis, cfg.Store.Secret = []string{redistest.Start(t).URL()}, "fleet-secret-0123456789abcdef0123456789"
	h := &house{t: t, sim: simulator.New(accountOf(cfg))}
	h.open(cfg, func(h *house) {
		p := scraping(t, binary, httptest.NewServer(h.operators))
		p.awaits("up == 1") // what grew before the first scrape is no rate
		h.ask(h.user("login", simulator.TicketValid))
		h.breaks(simulator.Fault{Kind: simulator.InternalError})
		h.drowns("circuit_open")
		queries["the rule CaptchagateOpened"] = `ALERTS{alertname="CaptchagateOpened"}`
		h.ask(h.user("comment", simulator.TicketValid))
		for panel, query := range queries {
			if !p.awaits(query) {
				t.Errorf("%s shows nothing: %s", panel, query)
			}
		}
	})
}

// queriesOf are the board's, with Grafana's variables filled in.
func queriesOf(t *testing.T) map[string]string {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal([]byte(text(t, boardFile)), &board); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$job", ".*", "$__rate_interval", "1m", "$__range", "1m")
	queries := map[string]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			queries[fmt.Sprintf("panel %q, %s", p.Title, target.RefID)] = fill.Replace(target.Expr)
		}
	}
	if len(queries) < 20 {
		t.Fatalf("the board has %d queries", len(queries))
	}
	return queries
}

// A scraper is a running Prometheus.
type scraper struct {
	t     *testing.T
	at    string
	began time.Time
}

// scraping starts a Prometheus with the rules that scrapes a target often.
func scraping(t *testing.T, binary string, target *httptest.Server) scraper {
	t.Helper()
	t.Cleanup(target.Close)
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "prometheus.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs: [{job_name: captchagate, static_configs: [{targets: [%q]}]}]
`, rules, strings.TrimPrefix(target.URL, "http://")), 0o600); err != nil {
		t.Fatal(err)
	}
	port, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := scraper{t, port.Addr().String(), time.Now()}
	_ = port.Close()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+p.at, "--log.level=error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGKILL); _ = cmd.Wait() })
	return p
}

// awaits waits until a query returns a figure, and reports whether it does within a minute
// of the first.
func (p scraper) awaits(query string) bool {
	p.t.Helper()
	scrapes := time.Tick(200 * time.Millisecond)
	for !p.has(query) {
		if time.Since(p.began) > time.Minute {
			return false
		}
		<-scrapes
	}
	return true
}

// has reports whether a query returns a figure now.
func (p scraper) has(query string) bool {
	p.t.Helper()
	resp, err := http.Get("http://" + p.at + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return false // it is starting
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false
	}
	if answer.Status == "error" && !strings.Contains(answer.Error, "not ready") {
		p.t.Fatalf("%s: %s", query, answer.Error)
	}
	return slices.ContainsFunc(answer.Data.Result, func(r struct{ Value [2]any }) bool { return r.Value[1] != "NaN" })
}
