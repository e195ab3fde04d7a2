package breaker

import (
	"log/slog"
	"sync"
	"time"

	"captchagate/captcha"
)

const (
	minForeign = 50              // tickets in a row, before they are worth an alarm
	alarmEvery = 5 * time.Minute // at most
)

// foreignAlarm notices answers that hint at a wrong app id or key of our own:
// tickets that belong to another app. It moves no circuit: anybody can bring
// tickets of another site.
type foreignAlarm struct {
	log *slog.Logger

	mu   sync.Mutex
	n    int // foreign tickets since the last one that was not rejected
	last time.Time
}

func (a *foreignAlarm) observe(v captcha.Verdict) {
	foreign := v.Answer != nil && (v.Answer.Code == captcha.CodeOtherApp || v.Answer.Code == captcha.CodeNoMatch)
	if !foreign && v.Outcome == captcha.Rejected {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !foreign {
		a.n = 0
		return
	}
	a.n++
	if now := time.Now(); a.n >= minForeign && now.Sub(a.last) >= alarmEvery {
		a.last = now
		a.log.Error("many tickets in a row belong to another app and none passes: check captcha_app_id and app_secret_key", "answers", a.n, "captcha_code", v.Answer.Code)
	}
}
