package watch

import (
	"hash/maphash"
	"log/slog"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"captchagate/captcha"
)

const (
	minAlarmPrefixes = 10          // distinct ones within alarmWithin
	alarmWithin      = time.Minute // and the pause between two looks at the script
	// alarmAgain is how often it is told that the same trouble goes on. After
	// alarmCalm without any it is another one.
	alarmAgain = time.Hour
	alarmCalm  = 10 * time.Minute
	// maxPrefixes bounds what is remembered, about 40 bytes each. More would
	// only say "very many" more exactly.
	maxPrefixes = 256
)

// errorCodes are counted each by itself; the rest together as otherCode.
var errorCodes = captcha.ErrorCodes()

const otherCode = "other"

// Reports counts what pages say of the vendor's script. Anybody can send
// anything there, so it is never evidence: it raises an alarm for people and
// has the gateway look at the script for itself, nothing more.
type Reports struct {
	probeSoon func()
	alarm     func(Alarm)
	log       *slog.Logger
	counts    []prometheus.Counter // as errorCodes, then the others
	seed      maphash.Seed         // keys the hashes of prefixes; never leaves the process

	mu       sync.Mutex
	prefixes map[uint64]sighting
	raised   time.Time // last time that enough prefixes reported
	began    time.Time // first time of the same trouble
	told     time.Time // last alarm
}

// sighting is when a prefix last reported, and which codes.
type sighting struct {
	at    time.Time
	codes uint32 // a bit for each of counts
}

// An Alarm says that pages in many places fail to load the vendor's script.
type Alarm struct {
	At       time.Time      `json:"at"`
	Since    time.Time      `json:"since"`         // At in the first alarm of a trouble, earlier in those that say that it goes on
	Prefixes int            `json:"prefixes"`      // distinct address prefixes within a minute; 256 = at least
	Codes    map[string]int `json:"codes"`         // of those, by the error code they reported; "other" is one
	Config   int            `json:"config_failed"` // of those, with 1006: perhaps arrears or a bad aidEncrypted of our own
}

// NewReports returns an empty Reports. While pages in many places report, it
// calls probeSoon at most once a minute, which brings the next script probe
// forward, and alarm when that begins and once an hour while it goes on; either
// may be nil. Both must not block.
func NewReports(probeSoon func(), alarm func(Alarm), log *slog.Logger, reg prometheus.Registerer) *Reports {
	if probeSoon == nil {
		probeSoon = func() {}
	}
	if alarm == nil {
		alarm = func(Alarm) {}
	}
	rs := &Reports{
		probeSoon: probeSoon, alarm: alarm, log: log,
		seed: maphash.MakeSeed(), prefixes: map[uint64]sighting{},
	}
	events := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_client_events_total", Help: "Failures of the vendor's script that pages reported, by error code. Never evidence.",
	}, []string{"code"})
	for i := range len(errorCodes) + 1 {
		rs.counts = append(rs.counts, events.WithLabelValues(codeName(i)))
	}
	return rs
}

// Record takes what a page at an address reported. The caller limits its rate.
func (rs *Reports) Record(from netip.Addr, events []Event) {
	var codes uint32
	for _, e := range events {
		i := codeIndex(e.Code)
		rs.counts[i].Inc()
		codes |= 1 << i
	}
	if codes == 0 || !from.IsValid() {
		return
	}
	a, raised, tell := rs.remember(from, codes, time.Now())
	if raised {
		rs.probeSoon()
	}
	if !tell {
		return
	}
	text := "pages in many places cannot load the vendor's script"
	if a.Config > 0 {
		text += "; some report 1006, which is also what arrears or a bad aidEncrypted of our own look like"
	}
	rs.log.Warn(text, "since", a.Since, "prefixes", a.Prefixes, "codes", a.Codes, "config_failed", a.Config)
	rs.alarm(a)
}

// remember notes a prefix and reports whether many places report now, and
// whether people should be told of it.
func (rs *Reports) remember(from netip.Addr, codes uint32, now time.Time) (a Alarm, raised, tell bool) {
	key := maphash.Comparable(rs.seed, captcha.Network(from))
	rs.mu.Lock()
	defer rs.mu.Unlock()
	oldest, longest := key, time.Duration(-1)
	for k, s := range rs.prefixes {
		age := now.Sub(s.at)
		if age >= alarmWithin {
			delete(rs.prefixes, k)
		} else if age > longest {
			oldest, longest = k, age
		}
	}
	s, known := rs.prefixes[key]
	if !known && len(rs.prefixes) >= maxPrefixes {
		delete(rs.prefixes, oldest)
	}
	rs.prefixes[key] = sighting{at: now, codes: s.codes | codes}
	if len(rs.prefixes) < minAlarmPrefixes || !rs.raised.IsZero() && now.Sub(rs.raised) < alarmWithin {
		return Alarm{}, false, false
	}
	another := rs.raised.IsZero() || now.Sub(rs.raised) >= alarmCalm
	rs.raised = now
	if another {
		rs.began = now
	} else if now.Sub(rs.told) < alarmAgain {
		return Alarm{}, true, false
	}
	rs.told = now
	return rs.newAlarm(now), true, true
}

func (rs *Reports) newAlarm(now time.Time) Alarm {
	a := Alarm{At: now.UTC(), Since: rs.began.UTC(), Prefixes: len(rs.prefixes), Codes: map[string]int{}}
	for _, s := range rs.prefixes {
		for codes := s.codes; codes != 0; codes &= codes - 1 {
			a.Codes[codeName(bits.TrailingZeros32(codes))]++
		}
	}
	a.Config = a.Codes[strconv.Itoa(captcha.CodeConfigFailed)]
	return a
}

func codeIndex(code int) int {
	if i := slices.Index(errorCodes, code); i >= 0 {
		return i
	}
	return len(errorCodes)
}

func codeName(i int) string {
	if i < len(errorCodes) {
		return strconv.Itoa(errorCodes[i])
	}
	return otherCode
}
