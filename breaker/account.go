package breaker

import (
	"log/slog"
	"maps"
	"sync"
	"time"

	"captchagate/captcha"
)

// AccountState is whether the Captcha API accepts our account.
type AccountState string

// The account's states.
const (
	AccountOK      AccountState = "ok"
	AccountRefused AccountState = "refused"
)

// Account is the circuit of the account: one in arrears, or with a wrong key,
// must not be asked a thousand times a second either.
type Account struct {
	State AccountState `json:"state"`
	Since time.Time    `json:"since"`
	Code  string       `json:"code,omitempty"` // the API's error code
}

// A target is what an account may be refused for: one app's action. A mini
// program's package may be used up while web pages go on.
type target struct {
	appID uint64
	mini  bool
}

func targetOf(t captcha.Ticket) target { return target{t.AppID, t.Mini} }

// refusals are the targets that are refused, and since when. The map is
// replaced, never changed.
type refusals map[target]Account

// refuses reports whether calls about the target are refused.
func (b *Breaker) refuses(at target) bool {
	refused := *b.refused.Load()
	if len(refused) == 0 {
		return false
	}
	_, ok := refused[at]
	return ok
}

// refuseAccount opens the account's circuit for a target.
func (b *Breaker) refuseAccount(at target, code string) {
	b.turnAccount(func(next refusals) {
		if _, already := next[at]; !already {
			next[at] = Account{State: AccountRefused, Since: time.Now(), Code: code}
		}
	})
}

// acceptAccount closes it.
func (b *Breaker) acceptAccount(at target) {
	b.turnAccount(func(next refusals) { delete(next, at) })
}

// turnAccount changes the refusals, and tells where the account as a whole
// changed: it is refused as long as any target is.
func (b *Breaker) turnAccount(change func(refusals)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := *b.refused.Load()
	next := maps.Clone(old)
	change(next)
	if len(next) == len(old) {
		return
	}
	b.refused.Store(&next)
	b.look()
	switch {
	case len(old) == 0:
		for _, a := range next {
			b.tellAccount(a)
		}
	case len(next) == 0:
		b.tellAccount(Account{State: AccountOK, Since: time.Now()})
	}
}

// tellAccount is called with b.mu held.
func (b *Breaker) tellAccount(a Account) {
	b.account.Store(&a)
	b.journal.Account(a)
	if a.State == AccountRefused {
		b.log.Error("the Captcha API refuses the account; nobody can be verified: check secret_id, secret_key, permissions and billing", "code", a.Code)
	} else {
		b.log.Info("the Captcha API accepts the account again")
	}
}

const (
	strangeAnswers = 50              // in a row, before they are worth an alarm
	strangeEvery   = 5 * time.Minute // between two such alarms
)

// alarm notices answers that hint at a wrong app id or key of our own. It
// moves no circuit: anybody can bring tickets of another site.
type alarm struct {
	mu   sync.Mutex
	n    int
	last time.Time
}

func (a *alarm) observe(log *slog.Logger, v captcha.Verdict) {
	strange := v.Answer != nil && (v.Answer.Code == captcha.CodeOtherApp || v.Answer.Code == captcha.CodeNoMatch)
	if !strange && v.Outcome == captcha.Rejected {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !strange {
		a.n = 0
		return
	}
	a.n++
	if now := time.Now(); a.n >= strangeAnswers && now.Sub(a.last) >= strangeEvery {
		a.last = now
		log.Error("many tickets in a row belong to another app and none passes: check captcha_app_id and app_secret_key", "answers", a.n, "captcha_code", v.Answer.Code)
	}
}
