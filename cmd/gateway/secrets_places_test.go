package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"captchagate/admin"
)

// A place is where a gateway tells somebody something. Holds is what says that it was
// looked at while there was something to see.
type place struct{ name, text, holds string }

// look looks for each mark in each place.
func (h *hunt) look() {
	h.t.Helper()
	found, bytes := []string(nil), 0
	h.wantEntries(h.gateway.stderr.String())
	places := slices.Concat(h.papers(), h.rooms(), h.commands())
	for _, p := range places {
		if !strings.Contains(p.text, p.holds) {
			h.t.Errorf("%s holds no %q, so it was not worth a look:\n%.3000s", p.name, p.holds, p.text)
		}
		found = append(found, finds(p.name, p.text, h.marks)...)
		bytes += len(p.text)
	}
	// What callers get may repeat what they sent, and no secret.
	secrets := slices.DeleteFunc(slices.Clone(h.marks), func(m mark) bool { return !strings.HasPrefix(m.what, "secret: ") })
	answers := h.answers.String()
	found = append(found, finds("an answer", answers, secrets)...)
	for _, f := range found {
		h.t.Error(f)
	}
	h.t.Logf("S4: %d marks (%d of them secrets) of %d users, %d places of %d bytes, answers of %d bytes: %d finds", len(h.marks), len(secrets), h.users, len(places), bytes, len(answers), len(found))
}

// wantEntries wants each line of the log to be an entry in JSON.
func (h *hunt) wantEntries(log string) {
	h.t.Helper()
	for line := range strings.Lines(log) {
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			h.t.Errorf("this line is no entry in JSON: %s", line)
		}
	}
}

// papers are what was written and sent on its own.
func (h *hunt) papers() []place {
	h.t.Helper()
	alarms, _ := h.alarms.got()
	reports, _ := h.reports.got()
	spans, _ := h.spans.got()
	return []place{
		{"stderr", h.gateway.stderr.String(), theReason}, {"stdout", h.gateway.stdout.String(), ""},
		{"alarms", alarms, `"kind":"switched"`}, {"reports", reports, `"result":"confirmed"`}, {"spans", spans, "POST /v1/verify"},
		{"events", h.events.String(), theReason}, {"status --watch", h.watching.stdout.String(), theReason}, {"status --watch, stderr", h.watching.stderr.String(), ""},
	}
}

// rooms are what operators read over HTTP.
func (h *hunt) rooms() (places []place) {
	h.t.Helper()
	at := func(path, holds string, headers ...string) {
		status, body := ask(h.t, http.MethodGet, h.room(path), "", headers...)
		if status != http.StatusOK {
			h.t.Errorf("%s answers %d: %s", path, status, body)
		}
		places = append(places, place{path + strings.Join(headers, ""), string(body), holds})
	}
	session := "Cookie: captchagate_session=" + h.session
	for path, holds := range map[string]string{
		"/": theReason, "/?hours=24": "<svg", "/now": "Redis", "/charts": "<svg", "/charts?hours=24": "<svg", "/sla": "%",
	} {
		at(path, holds, session, "Authorization: ")
	}
	for path, holds := range map[string]string{
		"/metrics": "captchagate_decisions_total", "/admin/v1/status": `"transitions"`, "/admin/v1/audit?limit=1000": theReason, "/admin/v1/series?minutes=15": "challenge",
		"/admin/v1/series?minutes=1440": `"points"`, "/admin/v1/incidents": `"kind":"circuit"`, "/admin/v1/reverified": `"reports":[{`, "/admin/v1/sla": `"failed_requests"`,
	} {
		at(path, holds)
	}
	for _, i := range h.incidents() {
		for form, holds := range map[string]string{"application/json": i, "text/markdown": "# ", "text/html": "<h1"} {
			at("/admin/v1/incidents/"+i, holds, "Accept: "+form)
		}
	}
	return places
}

func (h *hunt) incidents() (ids []string) {
	h.t.Helper()
	list, err := (&admin.Client{URL: h.room(""), Token: operatorsToken}).Incidents(h.t.Context())
	if err != nil || len(list) == 0 {
		h.t.Fatalf("incidents: %v %v", list, err)
	}
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	return ids
}

// commands are what they print, on both of their streams: also of what fails.
func (h *hunt) commands() (places []place) {
	h.t.Helper()
	wrong := append(slices.Clone(h.environ), admin.TokenVariable+"="+h.sends("a wrong token of a command"))
	nowhere := "http://" + h.sends("a user in an address") + ":" + h.sends("a password in an address") + "@127.0.0.1:1"
	var running []*process
	rows := []struct {
		name    string
		code    int
		holds   string
		environ []string
		args    []string
	}{
		{"check", 0, "[redacted]", h.environ, []string{"--config", h.config()}},
		{"check", 1, "FAILED", h.environ, []string{"--online", "--config", h.config()}}, // Redis is away
		{"status", 0, "breaker", h.environ, nil},
		{"mode", 0, "auto", h.environ, nil},
		{"incidents", 0, "20", h.environ, nil},
		{"incidents", 0, "# ", h.environ, []string{h.incidents()[0]}},
		{"sla", 0, "%", h.environ, nil},
		{"who", 0, "20", h.environ, []string{"--ip", userV4, "--subject", h.the("a subject")}},
		{"status", 1, "refused", wrong, nil},
		{"status", 2, "gateway:", h.environ, []string{"--admin-url", nowhere}},
	}
	for _, row := range rows {
		args := append([]string{row.name}, row.args...)
		if row.name != "check" && row.code < 2 {
			args = append(args, "--admin-url", h.room(""))
		}
		running = append(running, begin(h.t, h.folder, row.environ, "gateway", args...))
	}
	for i, row := range rows {
		p := running[i]
		select {
		case <-p.ended:
		case <-time.After(patience):
			h.t.Fatalf("gateway %s has not ended in %v", row.name, patience)
		}
		if got := p.cmd.ProcessState.ExitCode(); got != row.code {
			h.t.Errorf("gateway %s ended with %d: %s", row.name, got, p.stderr)
		}
		places = append(places, place{"gateway " + row.name, p.stdout.String() + p.stderr.String(), row.holds})
	}
	return places
}
