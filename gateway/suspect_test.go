package gateway_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/admin"
	"captchagate/simulator"
)

// O1: with a wrong app_secret_key the API answers quickly and denies everybody.
// Twenty tickets show it in log, status, metric and audit, over a restart too,
// and change no decision. The right key ends it with the first pass.
func TestSuspect_AWrongKeyIsNoticedAfterTwentyTickets(t *testing.T) {
	inTown(t, nil, func(w *town) {
		right := w.cfg.Upstream.Apps[0].AppSecretKey
		key := func(secret string) {
			w.cfg.Upstream.Apps[0].AppSecretKey = secret
			w.restarts(time.Second)
		}
		key("another-apps-key-by-mistake")
		for range 19 {
			w.expect("a good user", w.ask(w.user("comment", "valid")), "deny rejected normal -")
		}
		w.looks("ok", "", 0)
		w.expect("the twentieth", w.ask(w.user("comment", "valid")), "deny rejected normal -")
		w.looks(admin.AccountSuspect, "100", 1)
		w.logs("accepts no ticket of this app", 1)
		w.expect("one more", w.ask(w.user("comment", "valid")), "deny rejected normal -")
		w.restarts(time.Second)
		w.looks(admin.AccountSuspect, "100", 1)
		if _, out := w.metric("captchagate_captcha_codes_total{code=\"100\"} 0"); !out {
			t.Error("the codes are no series from the start")
		}

		key(right)
		w.looks("ok", "", 0)
		w.expect("with the right key", w.ask(w.user("comment", "valid")), "allow verified normal -")
		w.restarts(time.Second)
		for range 25 { // a flood of forged tickets says nothing once a pass has come
			w.ask(w.user("comment", "forged"))
		}
		w.looks("ok", "", 0)
	})
}

// looks checks what operators see of the account.
func (w *town) looks(state, code string, gauge int) {
	w.t.Helper()
	synctest.Wait()
	if a := w.status().Account; a.State != state || a.Code != code || a.Since.IsZero() {
		w.t.Errorf("the account is %+v, want %s %q", a, state, code)
	}
	if line, ok := w.metric("captchagate_account_suspect " + string(rune('0'+gauge))); !ok {
		w.t.Errorf("the metric says %q, want %d", line, gauge)
	}
}

// metric reports whether the metrics have a line, and what else has its name.
func (w *town) metric(line string) (similar string, has bool) {
	w.t.Helper()
	out, _ := w.send(w.operators, "GET", "/metrics", "")
	name, _, _ := strings.Cut(line, " ")
	for one := range strings.Lines(out.Body.String()) {
		if strings.HasPrefix(one, line) {
			return one, true
		}
		if strings.HasPrefix(one, name) {
			similar = one
		}
	}
	return similar, false
}

// logs checks that the log and the audit say something, the audit some times.
func (w *town) logs(text string, entries int) {
	w.t.Helper()
	if !strings.Contains(w.log.String(), text) {
		w.t.Errorf("the log does not say %q", text)
	}
	time.Sleep(time.Second)
	out, _ := w.send(w.operators, "GET", "/admin/v1/audit", "")
	if n := strings.Count(out.Body.String(), "is suspect: 20 tickets refused"); n != entries {
		w.t.Errorf("%d entries in the audit, want %d: %s", n, entries, out.Body)
	}
}

// A refused account that is refused for another reason the next moment, with or without
// some good seconds between, has its line in log and audit at once: somebody may have
// mended the key, and the arrears are left. A reason that comes and goes has it within a
// minute.
func TestAccount_AnotherCodeIsToldAtOnce(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		says := func(within time.Duration, want string) {
			t.Helper()
			h.scripts(`{"Response":{"Error":{"Code":"` + want + `","Message":"m"},"RequestId":"r"}}`)
			h.ask(h.user("login", simulator.TicketValid))
			time.Sleep(within)
			text := h.log.String()
			last := text[strings.LastIndex(text, "refuses the account; nobody"):]
			if line, _, _ := strings.Cut(last, "\n"); h.status().Account.Code != want || !strings.Contains(line+" ", " code="+want+" ") {
				t.Errorf("the status says %s, the last line %q, want %s", h.status().Account.Code, line, want)
			}
			if e := h.audits("transition")[0]; !strings.Contains(e, want) {
				t.Errorf("the audit says %q, want %s", e, want)
			}
		}
		const aProbe = 2 * time.Second
		says(aProbe, "AuthFailure.SignatureFailure")
		says(aProbe, "UnauthorizedOperation.Arrears")
		h.scripts("")
		time.Sleep(10 * time.Second)
		says(aProbe, "AuthFailure.SecretIdNotFound")
		says(time.Minute+aProbe, "UnauthorizedOperation.Arrears") // which comes and goes
	})
}
