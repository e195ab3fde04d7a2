package watch

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"captchagate/captcha"
)

// app is what was learned of one app.
type app struct {
	id uint64

	mu      sync.Mutex
	known   knowledge
	dirty   bool      // known is to be written
	code    int64     // of the last refusal
	refused int       // since the last pass, or since the key was loaded
	answers int       // the same, all of them
	began   time.Time // the first of these
}

// knowledge is the part that is kept.
type knowledge struct {
	Key     string    `json:"key"`     // fingerprint
	Passed  bool      `json:"passed"`  // code 1 came, ever
	Suspect time.Time `json:"suspect"` // when the first was refused since the last pass; zero if it is not
	Code    int64     `json:"code"`    // of the refusal that made it so
}

// loadApp reads what is kept of an app, if it is about this key.
func loadApp(ctx context.Context, store AppStore, id uint64, key [8]byte) (*app, error) {
	one := &app{id: id}
	text, ok, err := store.Get(ctx, appsBucket, strconv.FormatUint(id, 10))
	if err != nil {
		return nil, err
	}
	if !ok || json.Unmarshal(text, &one.known) != nil {
		one.known = knowledge{}
	}
	one.use(key)
	one.code = one.known.Code
	return one, nil
}

// use forgets what was learned of another key than this one.
func (a *app) use(key [8]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if fingerprint := hex.EncodeToString(key[:]); a.known.Key != fingerprint {
		a.known, a.refused, a.answers = knowledge{Key: fingerprint}, 0, 0
	}
}

// answer learns from one answer. It reports whether the app became suspect or
// proved right, and whether there is something to keep.
func (a *app) answer(code int64, now time.Time) (s Suspicion, turned, dirty bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := !a.known.Suspect.IsZero()
	if code == captcha.CodeOK {
		a.refused, a.answers = 0, 0
		if a.known.Passed && !was {
			return s, false, false
		}
		a.known.Passed, a.known.Suspect, a.dirty = true, time.Time{}, true
		return a.now(), was, true
	}
	if a.answers == 0 {
		a.began = now
	}
	a.answers++
	if captcha.HintsAtApp(code) {
		a.refused++
		a.code = code
	}
	if was || !a.looksWrong(now) {
		return s, false, false
	}
	a.known.Suspect, a.known.Code, a.dirty = a.began.UTC().Round(0), a.code, true
	return a.now(), true, true
}

// looksWrong reports whether the answers since the last pass make it suspect.
func (a *app) looksWrong(now time.Time) bool {
	if a.refused < minRefusals {
		return false
	}
	return !a.known.Passed ||
		float64(a.refused) >= refusedShare*float64(a.answers) && now.Sub(a.began) >= refusedFor
}

// now is how the app stands. The lock is held.
func (a *app) now() Suspicion {
	return Suspicion{AppID: a.id, Suspect: !a.known.Suspect.IsZero(), Since: a.known.Suspect, Code: a.code, Refused: a.refused}
}

func (a *app) suspicion() Suspicion {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now()
}

// keep writes what is to be written. Only Run calls it, so an older state never
// comes after a newer one.
func (a *app) keep(ctx context.Context, store AppStore) error {
	a.mu.Lock()
	text, dirty := []byte(nil), a.dirty
	if dirty {
		text, _ = json.Marshal(a.known) // strings, numbers, times: cannot fail
		a.dirty = false
	}
	a.mu.Unlock()
	if !dirty {
		return nil
	}
	err := store.Put(ctx, appsBucket, strconv.FormatUint(a.id, 10), text, 0)
	if err != nil {
		a.mu.Lock()
		a.dirty = true
		a.mu.Unlock()
	}
	return err
}
