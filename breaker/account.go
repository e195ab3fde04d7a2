package breaker

import (
	"log/slog"
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

// refuseAccount opens the account's circuit.
func (b *Breaker) refuseAccount(code string) {
	b.turnAccount(Account{State: AccountRefused, Since: time.Now(), Code: code})
}

// acceptAccount closes it.
func (b *Breaker) acceptAccount() {
	b.turnAccount(Account{State: AccountOK, Since: time.Now()})
}

func (b *Breaker) turnAccount(to Account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.account.Load().State == to.State {
		return
	}
	b.account.Store(&to)
	b.journal.Account(to)
	if to.State == AccountRefused {
		b.log.Error("the Captcha API refuses the account; nobody can be verified: check secret_id, secret_key, permissions and billing", "code", to.Code)
	} else {
		b.log.Info("the Captcha API accepts the account again")
	}
	b.look()
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
