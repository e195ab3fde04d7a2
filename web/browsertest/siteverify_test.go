package browsertest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"captchagate/config"
	"captchagate/public"
	"captchagate/web"
)

// classicPath is where the form of a classic backend goes.
const classicPath = "/classic"

const classicKey = "login-key-0123456789"

// withClassicKey gives the backend a key of its own, for its one scene.
func withClassicKey(c *config.Config, _ *web.Config) {
	c.APIKeys = []public.APIKey{{Name: "classic", Key: classicKey, Scenes: []string{"login"}}}
}

// classic is a backend as it was written for reCAPTCHA or Turnstile: it knows one hidden
// field and POST /siteverify, looks at success alone, and else shows its form again.
func (s *site) classic(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	field := r.PostForm.Get("captcha-response")
	form := url.Values{"secret": {classicKey}, "response": {field}, "remoteip": {from.Addr().String()}}
	ask := httptest.NewRequestWithContext(r.Context(), "POST", "/siteverify", strings.NewReader(form.Encode()))
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	s.gateway.Handler().ServeHTTP(answer, ask)
	var told struct {
		Success    bool     `json:"success"`
		ErrorCodes []string `json:"error-codes"`
		decision
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || answer.Code != http.StatusOK {
		s.t.Errorf("the gateway answered %d %s", answer.Code, answer.Body)
	}
	s.mu.Lock()
	s.logins = append(s.logins, login{Field: field, User: r.PostForm.Get("user"), decision: told.decision})
	s.mu.Unlock()
	said := decision{Decision: "welcome"}
	if !told.Success {
		said.Decision = strings.TrimSpace("again " + strings.Join(told.ErrorCodes, " "))
	}
	s.render(w, r, &said)
}

// A form with the hidden field, posted to a backend that calls POST /siteverify and looks
// at success alone: a ticket gets its user in; one that nobody can look at does not, and
// the page, shown again, gets the alternate challenge by itself.
func TestSiteverify_TakesTheHiddenFieldOfAForm(t *testing.T) {
	t.Parallel()
	b, s := openBrowser(t), openSite(t, withClassicKey)
	p := b.opens(s, "classic")
	submits := func(want string) {
		t.Helper()
		p.do(`document.querySelector("#answer").textContent = ""`)
		p.clicks(submit)
		p.waits(`location.pathname === "` + classicPath + `" && document.querySelector("#answer")?.textContent`) // of the new page
		if got := strings.TrimSpace(p.answered()); got != want {
			t.Errorf("the backend says %q, want %q", got, want)
		}
	}
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	submits("welcome")

	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	s.throws("degraded")
	submits("again") // with a ticket that nobody can look at
	p.waits(challenge)
	p.clicks(puzzleBox)
	p.stands("verified")
	submits("welcome")

	var got []string
	for _, l := range s.received() {
		got = append(got, l.Decision+" "+l.Reason)
		if l.Field == "" {
			t.Errorf("a form came without the field: %+v", l)
		}
	}
	if want := "allow verified, challenge challenge_required, allow challenge_solved"; strings.Join(got, ", ") != want {
		t.Errorf("the gateway decided %v, want %s", got, want)
	}
	p.isFine()
}
