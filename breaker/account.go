package breaker

import (
	"cmp"
	"maps"
	"slices"
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
// target is, and with the code of the one that is refused for longest.
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

// refuse opens the circuit for a target, or notes that it is refused with another code.
func (a *account) refuse(t target, code string) {
	a.change(func(next refusals) {
		since := time.Now()
		if was, already := next[t]; already {
			since = was.Since
		}
		next[t] = Account{State: AccountRefused, Since: since, Code: code}
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
	if maps.Equal(next, old) {
		return
	}
	a.refused.Store(&next)
	a.mailbox.wakeProber()
	was := *a.whole.Load()
	is := next.whole()
	if is.State == was.State {
		is.Since = was.Since
	}
	if is != was {
		a.whole.Store(&is)
		a.outbox.account(was, is)
	}
}

// whole is how the account is, from now on if it is accepted.
func (r refusals) whole() Account {
	if len(r) == 0 {
		return Account{State: AccountOK, Since: time.Now()}
	}
	targets := slices.SortedFunc(maps.Keys(r), func(t, u target) int {
		return cmp.Or(r[t].Since.Compare(r[u].Since), cmp.Compare(t.appID, u.appID))
	})
	return r[targets[0]]
}
