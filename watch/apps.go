package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"captchagate/captcha"
)

// When an app is suspect.
const (
	minRefusals   = 20   // with codes that a wrong key or app id causes, and no pass since
	refusedShare  = 0.95 // of all answers since the last pass, if there ever was one
	refusedFor    = 5 * time.Minute
	appsBucket    = "apps"
	appsRetryWait = time.Second
)

// knownCodes are counted each by itself; the rest together as "other". Those of
// the web action, then what mini programs and older documents have besides.
var knownCodes = []int64{1, 7, 8, 9, 15, 16, 21, 26, 100, 6, 10, 11, 12, 13, 17, 18, 19, 20, 22, 23, 24, 25, 31, 104}

// Apps is a Verifier around another one that notices an app whose key or id is
// likely wrong: the Captcha API answers, denies everybody, and looks healthy.
//
// One code 1 proves key and id. An app is suspect if no pass came since its key
// was loaded and 20 answers had the codes that a wrong key or id causes (15, 16,
// 100 by Tencent's documentation); or if passes came once and then, for five
// minutes and 20 of those answers, none, while they were at least 95 % of all.
// The second may also be a flood of forged tickets while no user is there. It
// decides about nobody: people are told, and the next pass ends it.
//
// What was learned of a key is kept over restarts, and forgotten when the key
// changes.
type Apps struct {
	next    captcha.Verifier
	store   AppStore
	changed func(Suspicion)
	log     *slog.Logger
	apps    map[uint64]*app // never changed
	codes   map[int64]prometheus.Counter
	other   prometheus.Counter
	wake    chan struct{}
}

// An AppStore keeps over a restart what was learned of the apps.
type AppStore interface {
	Get(ctx context.Context, bucket, key string) (value []byte, ok bool, err error)
	Put(ctx context.Context, bucket, key string, value []byte, life time.Duration) error
}

// A Suspicion is that an app's key or id is wrong, or that it proved right.
type Suspicion struct {
	AppID   uint64    `json:"captcha_app_id"`
	Suspect bool      `json:"suspect"`
	Since   time.Time `json:"since"`   // of the first refusal since the last pass
	Code    int64     `json:"code"`    // CaptchaCode of the last refusal
	Refused int       `json:"refused"` // answers with such codes since the last pass
}

// NewApps returns a Verifier around next. keys are the apps, each with a
// fingerprint of its key; changed is told, perhaps by several goroutines, when
// one becomes suspect or proves right, and must not block. The error says that
// the store cannot be read.
func NewApps(ctx context.Context, next captcha.Verifier, keys map[uint64][8]byte, store AppStore, changed func(Suspicion), log *slog.Logger, reg prometheus.Registerer) (*Apps, error) {
	as := &Apps{
		next: next, store: store, changed: changed, log: log,
		apps: map[uint64]*app{}, codes: map[int64]prometheus.Counter{}, wake: make(chan struct{}, 1),
	}
	for id, key := range keys {
		one, err := loadApp(ctx, store, id, key)
		if err != nil {
			return nil, fmt.Errorf("watch: what is known of the apps cannot be read: %w", err)
		}
		as.apps[id] = one
	}
	for _, s := range as.Suspects() {
		as.tell(s)
	}
	metrics := promauto.With(reg)
	codes := metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_captcha_codes_total", Help: "CaptchaCodes that users' requests ended with; codes that are not documented as \"other\".",
	}, []string{"code"})
	for _, code := range knownCodes {
		as.codes[code] = codes.WithLabelValues(strconv.FormatInt(code, 10))
	}
	as.other = codes.WithLabelValues(other)
	metrics.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "captchagate_account_suspect", Help: "1 while the Captcha API answers and denies everybody as with a wrong app_secret_key or captcha_app_id.",
	}, func() float64 { return float64(min(1, len(as.Suspects()))) })
	return as, nil
}

// SetKeys tells the fingerprints of the apps' keys anew.
func (as *Apps) SetKeys(keys map[uint64][8]byte) {
	for id, key := range keys {
		if one := as.apps[id]; one != nil {
			one.use(key)
		}
	}
}

// Verify asks next, and learns from its answer.
func (as *Apps) Verify(ctx context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	v, err := as.next.Verify(ctx, t)
	answer := v.Answer
	if err != nil {
		answer = captcha.AsFailure(err).Answer
	}
	if answer != nil {
		as.count(answer.Code)
		if one := as.apps[t.AppID]; one != nil && err == nil {
			as.learn(one, answer.Code)
		}
	}
	return v, err
}

func (as *Apps) count(code int64) {
	counter, known := as.codes[code]
	if !known {
		counter = as.other
	}
	counter.Inc()
}

func (as *Apps) learn(one *app, code int64) {
	s, turned, dirty := one.answer(code, time.Now())
	if turned {
		as.tell(s)
		as.changed(s)
	}
	if dirty {
		select {
		case as.wake <- struct{}{}:
		default: // it will be written anyway
		}
	}
}

func (as *Apps) tell(s Suspicion) {
	if s.Suspect {
		as.log.Error("the Captcha API answers and accepts no ticket of this app: compare captcha_app_id and app_secret_key with the console; if both are right, only forged tickets come",
			"captcha_app_id", s.AppID, "captcha_code", s.Code, "refused", s.Refused, "since", s.Since)
		return
	}
	as.log.Info("a ticket of this app was accepted: its key is right", "captcha_app_id", s.AppID)
}

// Suspects lists the apps that are suspect, the one that has been longest first.
func (as *Apps) Suspects() (found []Suspicion) {
	for _, one := range as.apps {
		if s := one.suspicion(); s.Suspect {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b Suspicion) int { return a.Since.Compare(b.Since) })
	return found
}

// Run writes to the store what was learned, until ctx ends. A store that is away
// is tried again every second.
func (as *Apps) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxFinalWrite)
			defer cancel()
			_ = as.flush(last) // it is learned anew
			return
		case <-as.wake:
		}
		for as.flush(ctx) != nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(appsRetryWait):
			}
		}
	}
}

func (as *Apps) flush(ctx context.Context) error {
	var failed []error
	for _, one := range as.apps {
		failed = append(failed, one.keep(ctx, as.store))
	}
	return errors.Join(failed...)
}
