package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/admin"
	"captchagate/captcha"
	"captchagate/config"
	"captchagate/gateway"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/store/bolt"
)

// lineOf is the one line of the log that holds a text.
func (h *house) lineOf(text string) string {
	h.t.Helper()
	found := ""
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, text) {
			if found != "" {
				h.t.Errorf("two lines hold %q:\n%s%s", text, found, line)
			}
			found = line
		}
	}
	return found
}

// A9: why was this user denied? One line, found by the decision's id, says it,
// and nothing that the user sent is in it.
func TestLines_SayWhyAUserWasDenied(t *testing.T) {
	keyed := func(c *config.Config) {
		c.APIKeys = []public.APIKey{{Name: "shop", Key: "shop-key-0123456789"}}
	}
	inHouse(t, keyed, func(h *house) {
		ask := func(f fields) answer {
			f["subject"], f["reference"] = "subject-of-a-user", "reference-of-a-shop"
			return h.ask(f, "Authorization", "Bearer shop-key-0123456789", "X-Request-Id", "order-17")
		}
		used := h.user("login", "valid")
		ask(used)
		used2 := h.user("login", "forged")
		ask(used2)
		for _, row := range []struct {
			name  string
			f     fields
			fault string
			want  []string
		}{
			{name: "used before", f: used, want: []string{"reason=rejected", "code=9", "attempts=1"}},
			{name: "refused before", f: used2, want: []string{"reason=rejected", "attempts=0", "the API refused this ticket before"}},
			{name: "forged", f: h.user("payment", "forged"), want: []string{"scene=payment", "reason=rejected", "code=15", "attempts=1"}},
			{name: "of no form", f: fields{"ticket": "no ticket", "user_ip": "192.0.2.9", "scene": "login"}, want: []string{"has not the form of one"}},
			{name: "a disaster ticket", f: fields{"ticket": "trerror_1001_190000001_1700000000", "user_ip": "192.0.2.9", "scene": "payment"}, want: []string{"cause=disaster_ticket", "nothing corroborates"}},
			{name: "the account is refused", fault: `{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound","Message":"m"},"RequestId":"r"}}`,
				f: h.user("payment", "valid"), want: []string{"decision=deny", "reason=degraded_deny", "mode=degraded", "cause=misconfigured", "AuthFailure.SecretIdNotFound"}},
		} {
			h.scripts(row.fault)
			line := h.lineOf("decision_id=" + ask(row.f).ID)
			for _, want := range append(row.want, "msg=decision", "ms=", "caller=shop", "request_id=order-17", "who=") {
				if !strings.Contains(line, want) {
					t.Errorf("%s: %q is missing in %q", row.name, want, line)
				}
			}
			ticket, _ := row.f["ticket"].(string)
			for _, sent := range []string{ticket, row.f["user_ip"].(string), "subject-of-a-user", "reference-of-a-shop"} {
				if strings.Contains(line, sent) {
					t.Errorf("%s: %q is in %q", row.name, sent, line)
				}
			}
		}
	})
}

// log.decisions says which decisions have a line; a refusal has one too, at most
// ten a second, and the next says how many had none.
func TestLines_AreOfExceptionsAndRefusals(t *testing.T) {
	for which, want := range map[string][3]int{"exceptions": {0, 1, 11}, "all": {1, 1, 11}, "none": {0, 0, 0}} {
		inHouse(t, func(c *config.Config) { c.Log.Decisions = which }, func(h *house) {
			h.ask(h.user("login", "valid"))
			verified := strings.Count(h.log.String(), "msg=decision")
			h.ask(h.user("login", "forged"))
			denied := strings.Count(h.log.String(), "msg=decision") - verified
			for range 50 {
				h.ask(fields{"user_ip": "nowhere", "scene": "login", "ticket": "secret-ticket"})
			}
			time.Sleep(time.Second)
			h.ask(fields{"user_ip": "nowhere"})
			refused := strings.Count(h.log.String(), "msg=refused")
			if got := [3]int{verified, denied, refused}; got != want {
				t.Errorf("%s: %v lines, want %v", which, got, want)
			}
			if which != "none" && !strings.Contains(h.log.String(), "refused_without_a_line=40") {
				t.Errorf("%s: nothing says how many had no line", which)
			}
			if which != "none" && !strings.Contains(h.log.String(), "fields=user_ip") {
				t.Errorf("%s: no refusal says in which field", which)
			}
			if strings.Contains(h.log.String(), "secret-ticket") {
				t.Error("what a user sent is in the log")
			}
		})
	}
}

// "who" finds one user's lines of a month, and of the month before; each month has
// another key.
func TestWho_IsAnotherEachMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(today))
		s, err := bolt.Open(filepath.Join(t.TempDir(), "gateway.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		turn, who, all, err := gateway.OpenNames(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		user := captcha.Ticket{UserIP: netip.MustParseAddr("192.0.2.7"), Subject: "user-17"}
		var months []string
		for month := range 3 {
			if err := turn(time.Now()); err != nil {
				t.Fatal(err)
			}
			months = append(months, who(user))
			found, err := all(t.Context(), user.UserIP, user.Subject)
			if err != nil || len(found) != min(2, month+1) || found[0].Who != months[month] || month > 0 && found[1].Who != months[month-1] {
				t.Errorf("in month %d: %v, %v; the log says %q", month, found, err, months)
			}
			time.Sleep(30 * 24 * time.Hour)
		}
		if months[0] == months[1] || months[1] == months[2] || len(months[0]) != len("01234567-89abcdef") {
			t.Errorf("the log says %q", months)
		}
		user.Subject = ""
		if got := who(user); !strings.HasPrefix(months[2], got+"-") {
			t.Errorf("without a subject %q, with one %q", got, months[2])
		}
	})
}

// The operators' API says what the log calls a user.
func TestWho_IsWhatTheLogSays(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		f := h.user("login", "forged")
		f["user_ip"], f["subject"] = "192.0.2.7", "user-17"
		line := h.lineOf("decision_id=" + h.ask(f).ID)
		w, _ := h.send(h.operators, "POST", "/admin/v1/who", `{"ip":"192.0.2.7","subject":"user-17"}`, "Content-Type", "application/json")
		var found admin.Names
		if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || len(found.Names) != 1 || !strings.Contains(line, "who="+found.Names[0].Who) {
			t.Errorf("%s; the line is %q", w.Body, line)
		}
		for _, wrong := range []string{`{}`, `{"ip":"nowhere"}`, `{"ipp":"192.0.2.7"}`} {
			if w, _ := h.send(h.operators, "POST", "/admin/v1/who", wrong, "Content-Type", "application/json"); w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d", wrong, w.Code)
			}
		}
	})
}

// A slowDisk takes a line only when told.
type slowDisk struct {
	gate chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
	full bool
}

func (s *slowDisk) Write(p []byte) (int, error) {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return 0, errors.New("no space left on device")
	}
	return s.text.Write(p)
}

// Log lines never wait for a disk that hangs: what does not fit is dropped as
// whole lines and counted, and so is what a full disk does not take.
func TestLogWriter_NeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{gate: make(chan struct{})}
		lw := gateway.NewLogWriter(disk)
		line := []byte(strings.Repeat("x", 1023) + "\n")
		const lines = 3000
		for range lines {
			if n, err := lw.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		dropped := lw.Dropped()
		if dropped == 0 || dropped > lines-1024 {
			t.Errorf("%d of %d lines dropped", dropped, lines)
		}
		close(disk.gate)
		time.Sleep(time.Second)
		synctest.Wait()
		if kept := uint64(bytes.Count(disk.text.Bytes(), []byte("\n"))); kept != lines-dropped {
			t.Errorf("%d lines kept, %d dropped, of %d", kept, dropped, lines)
		}
		disk.full = true
		_, _ = lw.Write(line)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := lw.Dropped() - dropped; got != 1 {
			t.Errorf("%d lines of a full disk are counted", got)
		}
		lw.Close()
		_, _ = io.WriteString(lw, "after the end\n")
		if got := lw.Dropped() - dropped; got != 2 {
			t.Errorf("%d dropped at the end", got)
		}
	})
}

// A call that was released because the circuit opened says so, and nothing in the log
// speaks of contexts.
func TestLines_SayWhatEndedACall(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.crowd("payment", 100, 2*time.Second)
		h.breaks(simulator.Fault{Kind: simulator.Hang})
		h.crowd("payment", 100, 5*time.Second)
		text := h.log.String()
		if !strings.Contains(text, "the circuit opened while the call waited") || strings.Contains(text, "context canceled") || strings.Contains(text, "context deadline") {
			t.Errorf("of a call that was released: %q, of contexts: %t", h.lineOf("cause=circuit_open"), strings.Contains(text, "context "))
		}
	})
}

// The cause of both is forced: the line tells the switch and a drill apart.
func TestLines_TellADrillFromTheSwitch(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		for _, row := range []struct{ begin, end, want string }{
			{`{"mode":"degraded","scene":"payment","reason":"drill"}`, `{"mode":"auto","scene":"payment","reason":"over"}`, "a drill on this scene"},
			{`{"mode":"degraded","reason":"maintenance"}`, `{"mode":"auto","reason":"over"}`, "an operator forces degraded on all scenes"},
		} {
			h.throws(row.begin)
			line := h.lineOf("decision_id=" + h.ask(h.user("payment", "valid")).ID)
			if !strings.Contains(line, "cause=forced") || !strings.Contains(line, row.want) {
				t.Errorf("%s: %q, want %q", row.begin, line, row.want)
			}
			h.throws(row.end)
		}
	})
}
