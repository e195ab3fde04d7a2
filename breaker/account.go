package breaker

import (
	"maps"
	"sync"
	"sync/atomic"
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

// account keeps the refusals. The account as a whole is refused as long as any
// target is.
type account struct {
	mailbox mailbox
	outbox  *outbox

	mu      sync.Mutex // held for each change
	refused atomic.Pointer[refusals]
	whole   atomic.Pointer[Account]
}

func newAccount(mailbox mailbox, outbox *outbox, now time.Time) *account {
	a := &account{mailbox: mailbox, outbox: outbox}
	a.refused.Store(&refusals{})
	a.whole.Store(&Account{State: AccountOK, Since: now})
	return a
}

func (a *account) refusals() refusals { return *a.refused.Load() }

// refuses reports whether calls about the target are refused.
func (a *account) refuses(t target) bool {
	refused := a.refusals()
	if len(refused) == 0 {
		return false
	}
	_, ok := refused[t]
	return ok
}

// refuse opens the circuit for a target.
func (a *account) refuse(t target, code string) {
	a.change(func(next refusals) {
		if _, already := next[t]; !already {
			next[t] = Account{State: AccountRefused, Since: time.Now(), Code: code}
		}
	})
}

// accept closes it.
func (a *account) accept(t target) {
	a.change(func(next refusals) { delete(next, t) })
}

// change makes a change to the refusals, and tells before it returns whether the
// account as a whole changed.
func (a *account) change(how func(refusals)) {
	defer a.outbox.deliver() // once the lock is released
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.refusals()
	next := maps.Clone(old)
	how(next)
	if len(next) == len(old) {
		return
	}
	a.refused.Store(&next)
	a.mailbox.wakeProber()
	switch {
	case len(old) == 0:
		for _, first := range next {
			a.turn(first)
		}
	case len(next) == 0:
		a.turn(Account{State: AccountOK, Since: time.Now()})
	}
}

func (a *account) turn(whole Account) {
	a.whole.Store(&whole)
	a.outbox.account(whole)
}
