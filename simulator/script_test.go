package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/simulator"
)

func fetchScript(ctx context.Context, s *simulator.Simulator) result {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x/TJCaptcha.js", nil)
	if err != nil {
		panic(err)
	}
	return send(s, r)
}

func TestScript_IsServedWithItsFault(t *testing.T) {
	const line = `const simulated = { kind: "ok", code: 0 };`
	if strings.Count(simulator.ScriptText(), line) != 1 {
		t.Fatalf("the script must have one line %s", line)
	}
	rows := []struct {
		fault  simulator.ScriptFault
		status int
		want   string
	}{
		{simulator.ScriptFault{Kind: simulator.ScriptOK}, 200, `const simulated = {"kind":"ok"};`},
		{simulator.ScriptFault{Kind: simulator.ScriptNotFound}, 404, "simulator"},
		{simulator.ScriptFault{Kind: simulator.ScriptThrow}, 200, `const simulated = {"kind":"throw"};`},
		{simulator.ScriptFault{Kind: simulator.ScriptNeverShows}, 200, `const simulated = {"kind":"never_shows"};`},
		{simulator.ScriptFault{Kind: simulator.ScriptErrorCode}, 200, `const simulated = {"kind":"error_code","code":1001};`},
		{simulator.ScriptFault{Kind: simulator.ScriptErrorCode, Code: 1085}, 200, `const simulated = {"kind":"error_code","code":1085};`},
	}
	s := simulator.New(simulator.Config{})
	for _, row := range rows {
		if err := s.SetScriptFault(row.fault); err != nil {
			t.Fatal(err)
		}
		got := fetchScript(t.Context(), s)
		if got.status != row.status || !strings.Contains(string(got.body), row.want) || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v: status %d, want %d and a body with %s", row.fault, got.status, row.status, row.want)
		}
	}
	control(t, s, http.MethodDelete, "http://x/_sim/script", "")
	if got := fetchScript(t.Context(), s); got.status != 200 || !strings.Contains(string(got.body), `{"kind":"ok"}`) {
		t.Errorf("after DELETE: status %d", got.status)
	}
}

func TestScript_HangsUntilTheBrowserGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		control(t, s, http.MethodPut, "http://x/_sim/script", `{"kind":"hang"}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got := fetchScript(ctx, s); !errors.Is(got.err, context.DeadlineExceeded) || got.took != time.Minute {
			t.Errorf("ended with %v after %v", got.err, got.took)
		}
		if got := fetchScript(t.Context(), s); !isReset(got) || got.took != 2*time.Minute {
			t.Errorf("with patience: ended with %v after %v", got.err, got.took)
		}
	})
}

// pageRun is what testdata/page.mjs tells.
type pageRun struct {
	Status        int
	Shown, Thrown string
	Left          int
	Calls         []struct {
		Ret                      int
		Ticket                   *string
		Randstr, Appid, BizState string
		CaptchaAppId             string
		ErrorCode                int
		ErrorMessage             string
	}
	Last *struct{ CaptchaAppId, Ticket string }
}

func runPage(t *testing.T, base, act string) pageRun {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node is not on PATH, and CI=true asks for it")
		}
		t.Skip("node is not on PATH")
	}
	text, err := exec.CommandContext(t.Context(), node, "testdata/page.mjs", base+"/TJCaptcha.js", act).Output()
	var out pageRun
	if err != nil || json.Unmarshal(text, &out) != nil {
		t.Fatalf("the page broke: %v: %s", err, text)
	}
	return out
}

func TestScript_HandsOutATicketThatVerifiesOrSaysThatItWasClosed(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base := listen(t, s)
	for _, act := range []string{"pass", "embed"} {
		run := runPage(t, base, act)
		if len(run.Calls) != 1 || !strings.Contains(run.Shown, "SIMULATOR") || run.Left != 0 {
			t.Fatalf("%s: the page saw %+v", act, run)
		}
		call := run.Calls[0]
		if call.Ret != 0 || call.Ticket == nil || call.Appid != "190000001" || call.CaptchaAppId != "190000001" || call.BizState != "state-1" {
			t.Fatalf("%s: called back with %+v", act, call)
		}
		if run.Last == nil || run.Last.Ticket != *call.Ticket {
			t.Errorf("%s: getTicket() gives %+v", act, run.Last)
		}
		if got := ask(t, s, simulator.Ticket{Ticket: *call.Ticket, Randstr: call.Randstr}).what(); got != "1" {
			t.Errorf("%s: its ticket gives %s", act, got)
		}
	}
	for _, act := range []string{"close", "escape"} {
		if run := runPage(t, base, act); len(run.Calls) != 1 || run.Calls[0].Ret != 2 || run.Calls[0].Ticket != nil || run.Left != 0 {
			t.Errorf("%s: the page saw %+v", act, run)
		}
	}
}

func TestScript_FailsInTheWaysOfTheRealOne(t *testing.T) {
	s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
	base := listen(t, s)
	rows := []struct {
		name, act string
		fault     simulator.ScriptFault
		ok        func(pageRun) bool
	}{
		{"throws", "show", simulator.ScriptFault{Kind: simulator.ScriptThrow}, func(r pageRun) bool {
			return len(r.Calls) == 0 && strings.Contains(r.Thrown, "SIMULATOR")
		}},
		{"is missing", "show", simulator.ScriptFault{Kind: simulator.ScriptNotFound}, func(r pageRun) bool { return r.Status == 404 && r.Thrown != "" }},
		{"never shows", "pass", simulator.ScriptFault{Kind: simulator.ScriptNeverShows}, func(r pageRun) bool {
			return r.Thrown == "" && len(r.Calls) == 0 && r.Shown == ""
		}},
		{"calls back with an error", "show", simulator.ScriptFault{Kind: simulator.ScriptErrorCode, Code: 1006}, disasterOf(1006)},
		{"cannot fetch a ticket", "fetchfails", simulator.ScriptFault{Kind: simulator.ScriptOK}, disasterOf(1013)},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if err := s.SetScriptFault(row.fault); err != nil {
				t.Fatal(err)
			}
			run := runPage(t, base, row.act)
			if !row.ok(run) {
				t.Fatalf("the page saw %+v", run)
			}
			if len(run.Calls) == 1 {
				if got := ask(t, s, simulator.Ticket{Ticket: *run.Calls[0].Ticket, Randstr: run.Calls[0].Randstr}).what(); got != "21" {
					t.Errorf("its disaster ticket gives %s, want 21", got)
				}
			}
		})
	}
}

func disasterOf(code int) func(pageRun) bool {
	return func(r pageRun) bool {
		return len(r.Calls) == 1 && r.Calls[0].Ret == 0 && r.Calls[0].ErrorCode == code && r.Calls[0].ErrorMessage != "" && r.Calls[0].Ticket != nil
	}
}
