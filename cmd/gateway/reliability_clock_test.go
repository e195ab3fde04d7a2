package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
	"captchagate/sla"
)

// The wall clock jumps an hour ahead or back, and is set right again: in peace, in peace at
// this machine alone, and in an outage. A program of Go takes the time from the kernel, so
// these are built with another time.Now.
func TestReliability_TheClockJumps(t *testing.T) {
	trial(t)
	programs := withMovableClocks(t)
	t.Setenv("PATH", programs+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			t.Setenv(clockShift, filepath.Join(t.TempDir(), "api"))
			ours := filepath.Join(t.TempDir(), "ours")
			h := newTrial(t, clockShift+"="+ours)
			h.program = filepath.Join(programs, "gateway")
			m := moved{h, by, []string{ours, os.Getenv(clockShift)}}
			h.start()
			m.inPeace()
			m.aloneInPeace()
			m.inAnOutage()
			m.looksSane()
			m.restarts()
		})
	}
}

// clockShift is the variable that names the file of a clock: the seconds that it is ahead.
const clockShift = "CLOCK_SHIFT"

// withMovableClocks builds gateway and simulator with testdata/clock in package time.
func withMovableClocks(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	shift, err := filepath.Abs(filepath.Join("testdata", "clock", "shift.go.txt"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	const reads = "func Now() Time {\n\tsec, nsec, mono := "
	source := mustRead(t, filepath.Join(library, "time.go"))
	if strings.Count(source, reads+"runtimeNow()") != 1 {
		t.Fatal("time.Now of this release of Go is another; see testdata/clock")
	}
	changed, overlay := filepath.Join(folder, "time.go"), filepath.Join(folder, "overlay.json")
	replace, _ := json.Marshal(map[string]any{"Replace": map[string]string{ // texts
		filepath.Join(library, "time.go"): changed, filepath.Join(library, "shift.go"): shift,
	}})
	for name, text := range map[string]string{changed: strings.Replace(source, reads+"runtimeNow()", reads+"shiftedNow()", 1), overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-overlay", overlay, "-o", folder, "captchagate/cmd/gateway", "captchagate/cmd/simulator")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return folder
}

// moved is a house whose clocks, of the gateway and of the API, jump.
type moved struct {
	*house

	by     time.Duration
	clocks []string // files: the gateway's, and that of the API
}

// jump sets clocks ahead or back.
func (m moved) jump(by time.Duration, clocks ...string) {
	m.t.Helper()
	for _, clock := range clocks {
		if err := os.WriteFile(clock, []byte(strconv.Itoa(int(by.Seconds()))), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	<-time.After(50 * time.Millisecond) // they are read every 10 ms
}

// changes is how often the circuit changed.
func (m moved) changes() int { return len(m.status().Breaker.Transitions) }

// inPeace has both clocks jump and come back. Tickets of before a jump ahead would be too old
// for the API, so each time others come.
func (m moved) inPeace() {
	m.t.Helper()
	var all visits
	for _, by := range []time.Duration{0, m.by, 0} {
		m.jump(by, m.clocks...)
		all = append(all, m.comes("login", 50).leavesAfter(6*time.Second)...)
	}
	figure(m.t, "clock %+v and back, in peace: %d users, %.1f %% verified, p99 %v, %d changes of the circuit",
		m.by, len(all), all.percent(verified), all.quantile(0.99), m.changes())
	if all.percent(verified) < 99 || m.changes() > 0 {
		m.t.Error(all.reasons())
	}
}

// aloneInPeace has only our clock jump: the API refuses what was signed more than five minutes
// from its own time.
func (m moved) aloneInPeace() {
	m.t.Helper()
	users := m.comes("login", 50)
	<-time.After(2 * time.Second)
	m.jump(m.by, m.clocks[0])
	wrong := time.Now()
	<-time.After(8 * time.Second)
	account := m.status().Account
	m.jump(0, m.clocks[0])
	right := time.Now()
	eventually(m.t, "users are verified again", func() bool { return m.verify(m.ticket("valid"), "login").Reason == "verified" })
	back := time.Since(right)
	eventually(m.t, "the circuit closes", func() bool { return m.status().Breaker.State == "closed" })
	closed := time.Since(right)
	all := users.leavesAfter(2 * time.Second)
	during := all.between(wrong, right)
	figure(m.t, "clock %+v against the API's: %.1f %% of %d users answered, %s; account %s %s; after it is set right the first is verified after %v, circuit closed after %v; %d changes",
		m.by, 100-all.percent(failed), len(all), during.reasons(), account.State, account.Code, back.Round(time.Millisecond), closed.Round(time.Millisecond), m.changes())
	if all.percent(failed) > 0 || !strings.Contains(m.gateway.stderr.String(), "check the clock") {
		m.t.Error(all.reasons())
	}
}

// inAnOutage has the clocks jump while the API hangs, and come back after it.
func (m moved) inAnOutage() {
	m.t.Helper()
	users := m.comes("login", 20)
	m.fault(`{"kind":"hang"}`)
	eventually(m.t, "the circuit opens", func() bool { return m.status().Breaker.State == "open" })
	spent, early := m.ticket("valid"), m.challenged()
	let := m.verify(spent, "comment")
	passes := m.spends()
	m.run("mode", "degraded", "--scene", "payment", "--for", "30m", "--reason", "a drill of 30 minutes")
	m.jump(m.by, m.clocks...)
	again, more := m.verify(spent, "comment"), m.spends()
	old, fresh := m.solved(early), m.solved(m.challenged())
	<-time.After(3 * time.Second)
	s := m.status()
	m.fault("")
	mended := time.Now()
	eventually(m.t, "the circuit closes", func() bool { return m.status().Breaker.State == "closed" })
	closed := time.Since(mended)
	m.jump(0, m.clocks...)
	all := users.leavesAfter(3 * time.Second)
	figure(m.t, "clock %+v in an outage: %.1f %% of %d users answered, p99 %v; a ticket let through before (%s) gets %s %s; a bound of 10/m gave %d passes, %d more after; a challenge of before gives %s %s, a new one %s %s; a drill of 30 minutes goes on: %v; a budget of 15 minutes is over: %v; circuit closed %v after the end",
		m.by, 100-all.percent(failed), len(all), all.quantile(0.99), let.Reason, again.Decision, again.Reason, passes, more,
		old.Decision, old.Reason, fresh.Decision, fresh.Reason, len(s.Drills) == 1, over(s.Budgets), closed.Round(time.Millisecond))
	if all.percent(failed) > 0 || again.Decision == "allow" || more > 1 || fresh.Decision != "allow" || over(s.Budgets) || (len(s.Drills) == 0) != (m.by > 0) {
		m.t.Error(all.reasons())
	}
}

func over(budgets []admin.Budget) bool {
	return slices.ContainsFunc(budgets, func(b admin.Budget) bool { return b.Over })
}

// restarts has the gateway killed and started in an outage, once its clock has jumped.
func (m moved) restarts() {
	m.t.Helper()
	m.fault(`{"kind":"hang"}`)
	spent := m.ticket("valid")
	eventually(m.t, "somebody is let through", func() bool { return m.verify(spent, "comment").Reason == "degraded_allow" })
	<-time.After(2 * time.Second) // it is written within one
	m.jump(m.by, m.clocks...)
	m.gateway.kill(m.t)
	m.start()
	again := m.verify(spent, "comment")
	figure(m.t, "clock %+v and a restart in an outage: a ticket let through before gets %s %s", m.by, again.Decision, again.Reason)
	m.fault("")
	m.jump(0, m.clocks...)
}

// spends asks for one user until the bound of comment says no, and returns how often it let
// them through.
func (m moved) spends() (passes int) {
	m.t.Helper()
	for m.verify(m.ticket("valid"), "comment").Decision == "allow" {
		passes++
	}
	return passes
}

// challenged is a challenge that a user got.
func (m moved) challenged() json.RawMessage {
	m.t.Helper()
	_, body := ask(m.t, "POST", m.url()+"/v1/verify", verifyBody(m.ticket("valid"), "login"))
	var answer struct{ Challenge json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Challenge == nil {
		m.t.Fatalf("no challenge in %s: %v", body, err)
	}
	return answer.Challenge
}

// solved brings the solution of a challenge.
func (m moved) solved(puzzle json.RawMessage) decision {
	m.t.Helper()
	solution, ok := solve(puzzle)
	if !ok {
		m.t.Fatalf("no solution of %s", puzzle)
	}
	body, _ := json.Marshal(map[string]string{"scene": "login", "user_ip": "203.0.113.7", "challenge": solution}) // texts
	status, answer := ask(m.t, "POST", m.url()+"/v1/verify", string(body))
	return decisionOf(m.t, status, answer)
}

// A span is from when to when.
type span struct {
	Began time.Time
	Ended *time.Time
}

// looksSane wants nothing absurd on the operators' pages.
func (m moved) looksSane() {
	m.t.Helper()
	reads := func(path string, into any) {
		_, body := ask(m.t, "GET", "http://"+m.gateway.admin+path, "")
		if err := json.Unmarshal(body, into); err != nil {
			m.t.Fatalf("%s: %v: %s", path, err, body)
		}
	}
	var past struct {
		Incidents []struct {
			span

			Parts []span
		}
	}
	reads("/admin/v1/incidents", &past)
	for _, i := range past.Incidents {
		for _, one := range append(i.Parts, i.span) {
			if one.Ended != nil && one.Ended.Before(one.Began) {
				m.t.Errorf("of an incident something began %v and ended %v", one.Began, one.Ended)
			}
		}
	}
	var series admin.Series
	reads("/admin/v1/series", &series)
	for n, p := range series.Points {
		if n > 0 && !p.At.After(series.Points[n-1].At) || p.At.After(time.Now().Add(time.Minute)) {
			m.t.Errorf("point %d of the series is of %v", n, p.At)
		}
	}
	var levels sla.Report
	reads("/admin/v1/sla", &levels)
	for _, f := range levels.Faults {
		if !f.Ended.After(f.Began) || f.Failed > f.Requests {
			m.t.Errorf("a fault of %+v", f)
		}
	}
	if strings.Contains(m.gateway.stderr.String(), `"lasted":"-`) {
		m.t.Error("the log tells of a time below nothing")
	}
	figure(m.t, "clock %+v: %d incidents, %d points of the series, %d minutes of the service level with %d faults: none ends before it began", m.by, len(past.Incidents), len(series.Points), levels.Observed, len(levels.Faults))
}
