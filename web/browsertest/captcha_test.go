package browsertest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The way of most users: the captcha is solved and the API verifies it.
func TestCaptcha_IsVerified(t *testing.T) {
	b, s := openBrowser(t), openSite(t, nil)
	p := b.opens(s, "")
	p.stands("ready")
	p.clicks(box)
	p.clicks(human)
	p.stands("verified")
	p.clicks(submit)
	if got := p.answered(); got != "allow verified normal " {
		t.Errorf("the page was answered %q", got)
	}
	logins := s.received()
	if len(logins) != 1 || logins[0].Assurance != "full" || logins[0].Attempts != 1 {
		t.Fatalf("the backend received %+v", logins)
	}
	l := logins[0]
	raw, err := base64.RawURLEncoding.DecodeString(l.Field)
	var packed struct {
		V               int
		Ticket, Randstr string
		AppID           int `json:"captcha_app_id"`
	}
	if err != nil || json.Unmarshal(raw, &packed) != nil || packed.V != 1 || packed.Ticket != l.Ticket || packed.Randstr != l.Randstr || packed.AppID != 190000001 {
		t.Errorf("captcha-response is %s, beside ticket %s", raw, l.Ticket)
	}
	if want := fmt.Sprintf(`{"v":1,"ticket":"%s","randstr":"%s","captcha_app_id":190000001}`, l.Ticket, l.Randstr); string(raw) != want {
		t.Errorf("captcha-response is %s, want exactly %s", raw, want)
	}
	if states := eval[string](p, `told.states.join(" ")`); !strings.HasPrefix(states, "solving verified") && !strings.HasPrefix(states, "ready solving verified") {
		t.Errorf("states: %s", states)
	}
	if n := eval[int](p, `told.callbacks.length`); n != 1 {
		t.Errorf("%d callbacks", n)
	}
	p.isFine()
}
