package admin

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"captchagate/watch"
)

// A headline is the gateway's state for somebody who was just woken up: whether users are
// verified, whose doing it is, since when, and what users get.
type headline struct {
	Look     string     // good, bad or odd: its colour and its sign
	Badge    string     // the state in a word or two
	What     string     // one or two sentences, with the time since when
	Verified string     // whether users are verified
	Whose    string     // whose doing it is
	Since    time.Time  // zero if nobody knows
	Until    *time.Time // when it ends by itself; nil if that is open
	Then     string     // what comes after Until; "" if that is clear
	Ends     string     // what ends it, if Until is nil
	Why      string     // the evidence, or the operator's reason
	Probe    *time.Time // when the API is asked again; nil if that is no matter
	Do       string     // what to look at, if somebody has to
	Also     []string   // what is so besides
	Counts   time.Time  // since when users get what they get now, if that is later than Since
	There    bool       // some users are sent to where nobody is verified
}

// The looks of a headline.
const (
	lookGood = "good"
	lookBad  = "bad"
	lookOdd  = "odd"
)

// counts is since when users get what they get now; zero if nobody knows.
func (h headline) counts() time.Time { return later(h.Since, h.Counts) }

const badgeRecovering = "Recovering"

// headlineOf says how the gateway is, after what happened. What concerns most users comes
// first.
func headlineOf(s Status, past []watch.Incident, now time.Time) headline {
	var all []headline
	for _, about := range []func(Status, time.Time) (headline, bool){
		forcedDegraded, refused, forcedNormal, illHere, outage, recovering, suspect, throttledNow, scriptDown, storeAway, illThere, redisAway,
	} {
		if h, holds := about(s, now); holds {
			all = append(all, h)
		}
	}
	if len(all) == 0 {
		all = []headline{calm(s, past, now)}
	}
	main := all[0]
	for _, other := range all[1:] {
		main.Also = append(main.Also, other.What)
	}
	if n := s.Breaker.Disbelieved; n > 0 {
		main.Also = append(main.Also, disbelievedText(n)+".")
	}
	return main
}

// disbelievedText says of failed calls why they are no evidence, and what to do.
func disbelievedText(n int) string {
	calls := "1 failed call of the last minute was"
	if n != 1 {
		calls = fmt.Sprintf("%d failed calls of the last minute were", n)
	}
	return calls + " not believed, because this host stood still meanwhile: an outage is noticed later here; give it more CPU"
}

// Announcement is what a screen reader says when it changes: it holds no figures, for
// those change every second.
func (h headline) Announcement() string { return h.Badge + ". " + h.What }

func calm(s Status, past []watch.Incident, now time.Time) headline {
	since := later(s.Breaker.Since, s.Account.Since)
	return headline{
		Look: lookGood, Badge: "Normal", Verified: "yes, by the Captcha API", Whose: "nobody’s" + lastOutage(s, past, now), Since: since, Ends: "–",
		What: "All is well: the Captcha API verifies users, since " + atClock(since, now) + ".",
	}
}

func refused(s Status, now time.Time) (headline, bool) {
	a := s.Account
	return headline{
		Look: lookBad, Badge: "Account refused", Verified: "no", Whose: "ours: our account at the Captcha API", Since: a.Since, Ends: "when the API accepts the account", Why: "The API answers " + a.Code + ".", Do: sentenceOf(advice(a.Code)),
		What: "The Captcha API refuses our account since " + atClock(a.Since, now) + ": users are not verified.",
	}, a.State == accountRefused
}

func suspect(s Status, now time.Time) (headline, bool) {
	a := s.Account
	return headline{
		Look: lookBad, Badge: "Nobody accepted", Verified: "no: the API rejects all of them", Whose: "probably ours: a wrong key or app id", Since: a.Since, Ends: "when the API accepts a user", Why: "The API answers, and rejects everybody with code " + a.Code + ", as for a wrong app_secret_key or captcha_app_id.",
		Do:   "Compare upstream.apps (captcha_app_id, app_secret_key) with the console.",
		What: "The Captcha API answers and rejects every user since " + atClock(a.Since, now) + ": probably our app key or app id is wrong.",
	}, a.State == AccountSuspect
}

func outage(s Status, now time.Time) (headline, bool) {
	b := s.Breaker
	began := outageBegan(b)
	h := headline{
		Look: lookBad, Badge: "Outage", Verified: "no", Whose: "the Captcha API’s", Since: began, Ends: "by itself, when the API answers", Why: sentenceOf(b.Evidence), Probe: b.NextProbeAt,
		What: "Captcha API down since " + atClock(began, now) + ": users are not verified.",
	}
	if b.State == halfOpen {
		h.Badge, h.What = "API answers again", "Captcha API down since "+atClock(began, now)+", and it just answered a first question: users are not verified yet."
	}
	return h, s.Override == nil && (b.State == open || b.State == halfOpen) && !alone(s)
}

func illHere(s Status, now time.Time) (headline, bool) {
	b := s.Breaker
	began := outageBegan(b)
	others := 0
	if s.Fleet != nil {
		others = s.Fleet.Alive - 1
	}
	return headline{
		Look: lookBad, Badge: "This instance is ill", Verified: "not at this instance; at the others yes", Whose: "this instance’s: its own way to the API", Since: began, Ends: "by itself, when the API answers here", Why: sentenceOf(b.Evidence), Probe: b.NextProbeAt, Do: "Look at this machine’s network, DNS and proxy.",
		What: fmt.Sprintf("This instance alone cannot reach the Captcha API since %s: its users are not verified. The other %d verify theirs.", atClock(began, now), others),
	}, s.Override == nil && (b.State == open || b.State == halfOpen) && alone(s)
}

// alone reports whether this instance holds the API to be away and its fleet does not.
func alone(s Status) bool {
	return s.Fleet != nil && s.Fleet.Redis == "up" && s.Fleet.State == closed && s.Fleet.Alive > 1
}

func recovering(s Status, now time.Time) (headline, bool) {
	b := s.Breaker
	h := headline{
		Look: lookOdd, Badge: badgeRecovering, Verified: "a growing share of them", Whose: "the Captcha API’s, and it is over", Since: b.Since, Ends: "by itself, when all are",
		What: fmt.Sprintf("The Captcha API answers again since %s, after an outage from %s: users are sent to it again, more every second.", atClock(b.Since, now), atClock(outageBegan(b), now)), Why: sentenceOf(b.Evidence),
	}
	if len(b.Transitions) > 0 && b.Transitions[0].From == closed {
		h.Whose, h.What = "an operator’s, who let go", "An operator let go at "+atClock(b.Since, now)+": users are sent to the Captcha API again, more every second."
	}
	return h, s.Override == nil && b.State == stateRecovering
}

func throttledNow(s Status, now time.Time) (headline, bool) {
	t := s.Upstream.Throttled
	if t == nil {
		return headline{}, false
	}
	return headline{
		Look: lookBad, Badge: "API throttles", Verified: "not all", Whose: "our account’s limit at the Captcha API", Since: t.Since, Ends: "when fewer users come, or the limit is raised", Do: "Raise the account’s quota, or lower the load.",
		What: fmt.Sprintf("The Captcha API turns calls away as too many since %s: %d of %d users in the last minute were not verified.", atClock(t.Since, now), t.Unverified, t.Users),
	}, true
}

func scriptDown(s Status, now time.Time) (headline, bool) {
	h := headline{
		Look: lookBad, Badge: "Script away", Verified: "only who has the captcha’s script already", Whose: "the captcha’s script host’s", Ends: "by itself, when the script loads", Why: sentenceOf(s.Script.Problem),
		What: "The captcha’s script cannot be loaded: users who need it cannot be verified.",
	}
	if s.Script.Since != nil {
		h.Since = *s.Script.Since
		h.What = "The captcha’s script cannot be loaded since " + atClock(h.Since, now) + ": users who need it cannot be verified."
	}
	return h, s.Script.State == ScriptDown
}

func storeAway(s Status, now time.Time) (headline, bool) {
	h := headline{
		Look: lookBad, Badge: "Store ill", Verified: "yes, by the Captcha API", Whose: "this gateway’s: its store takes no writes", Ends: "when the store takes writes", Do: "Look at the disk of store.path.",
		What: "This gateway’s store takes no writes: nobody is let through unverified, whatever happens to the API.",
	}
	if t := s.Store.Trouble; t != nil {
		h.Since, h.Why = t.Since, sentenceOf(t.Error)
		h.What = fmt.Sprintf("This gateway’s store keeps users out since %s, %d so far: whom it cannot keep is not let through.", atClock(t.Since, now), t.Users)
	}
	return h, !s.Store.Healthy || s.Store.Trouble != nil
}

func illThere(s Status, now time.Time) (headline, bool) {
	if s.Fleet == nil || s.Fleet.State != closed || s.Breaker.State != closed {
		return headline{}, false
	}
	var ill []string
	since := now
	for _, r := range s.Replicas {
		if !r.This && !r.lost() && (r.State == open || r.State == halfOpen) {
			ill = append(ill, nameOf(r))
			if !r.Since.IsZero() && r.Since.Before(since) {
				since = r.Since
			}
		}
	}
	if len(ill) == 0 {
		return headline{}, false
	}
	names := strings.Join(ill, ", ")
	return headline{
		Look: lookOdd, Badge: "One instance is ill", Verified: "at the others, yes", Whose: "that instance’s own way to the API", Since: since, Ends: "by itself, when the API answers there", Do: "Look at the network, DNS and proxy of " + names + ".", There: true,
		What: fmt.Sprintf("Users are verified, but not at %d of %d instances: %s alone cannot reach the Captcha API since %s. The API itself works.", len(ill), len(s.Replicas), names, atClock(since, now)),
	}, true
}

func redisAway(s Status, now time.Time) (headline, bool) {
	if s.Fleet == nil || s.Fleet.Redis == "up" {
		return headline{}, false
	}
	h := headline{
		Look: lookOdd, Badge: "Redis away", Verified: "yes, by the Captcha API", Whose: "Redis, which the instances share", Ends: "by itself, when Redis answers", Do: "Look at Redis, and at the network to it.",
		What: "Redis is away: each instance goes on by itself and hears nothing of the others. Users are verified.",
	}
	if s.Fleet.RedisSince != nil {
		h.Since = *s.Fleet.RedisSince
		h.What = "Redis is away since " + atClock(h.Since, now) + ": each instance goes on by itself and hears nothing of the others. Users are verified."
	}
	if s.Breaker.State != closed || s.Override != nil {
		h.What = strings.TrimSuffix(h.What, " Users are verified.")
	}
	return h, true
}

// The circuit's states.
const (
	closed          = "closed"
	open            = "open"
	halfOpen        = "half_open"
	stateRecovering = "recovering"
)

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// degraded is the mode in which scenes decide.
const degraded = "degraded"

// circuitWord says of a state what it means for the API.
func circuitWord(state string) string {
	return cmp.Or(map[string]string{closed: "up", open: "down", halfOpen: "down, and just answered", stateRecovering: "back, and users return"}[state], state)
}

// outageBegan is when the circuit left closed.
func outageBegan(b Breaker) time.Time {
	for _, t := range b.Transitions {
		if t.From == closed {
			return t.At
		}
	}
	return b.Since
}

// atClock writes a moment in the gateway's own zone, with the day unless it is today.
func atClock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05 MST")
	}
	return t.Format("2 Jan 15:04:05 MST")
}
