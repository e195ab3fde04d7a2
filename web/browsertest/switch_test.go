package browsertest_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"captchagate/simulator"
)

// throws sets the operators' switch: "degraded", "normal" or "auto".
func (s *site) throws(mode string) { s.t.Helper(); s.orders(`{"mode":"` + mode + `","reason":"test"}`) }

// drills has all users of a scene meet an outage.
func (s *site) drills(scene string) {
	s.t.Helper()
	s.orders(`{"mode":"degraded","scene":"` + scene + `","reason":"test"}`)
}

func (s *site) orders(change string) {
	s.t.Helper()
	for start := time.Now(); ; {
		r := httptest.NewRequestWithContext(s.t.Context(), "PUT", "/admin/v1/mode", strings.NewReader(change))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr, r.Host = net.JoinHostPort("127.0.0.1", "40000"), "127.0.0.1:8081"
		w := httptest.NewRecorder()
		s.gateway.AdminHandler().ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			return
		}
		if w.Code != http.StatusServiceUnavailable || time.Since(start) > patience { // a busy disk takes longer than the gateway waits for it
			s.t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// issues is a challenge as a page gets it, in JSON.
func (s *site) issues() string {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.gateway.Handler().ServeHTTP(w, httptest.NewRequestWithContext(s.t.Context(), "GET", "/v1/challenge?scene=login", nil))
	if w.Code != http.StatusOK {
		s.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// breaksScript makes Tencent's script fail.
func (s *site) breaksScript(kind simulator.ScriptKind, code int) {
	s.t.Helper()
	if err := s.sim.SetScriptFault(simulator.ScriptFault{Kind: kind, Code: code}); err != nil {
		s.t.Fatal(err)
	}
}

// received are the logins that reached the backend, and forgets them.
func (s *site) received() []login {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.logins
	s.logins = nil
	return all
}

// reported are the reports that reached the gateway, and forgets them.
func (s *site) reported() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.events, "\n")
	s.events = nil
	return all
}

// awaitReport gives a report its time to come if one is wanted.
func (s *site) awaitReport(wanted bool) (got string) {
	for range 6000 { // as long as patience
		if got = s.reported(); got != "" || !wanted {
			return got
		}
		<-time.After(10 * time.Millisecond)
	}
	return got
}

func (s *site) violated() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.violations
	s.violations = nil
	return all
}
