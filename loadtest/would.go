package loadtest

import (
	"bufio"
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"captchagate/loadtest/scenario"
)

// wouldEvery is how often a gateway in shadow is asked what it would have decided.
const wouldEvery = 100 * time.Millisecond

// would is how many decisions a gateway in shadow had counted by a time.
type would struct {
	at                     float64
	allow, challenge, deny int
}

// lookAtWould reads captchagate_shadow_total.
func (t *subject) lookAtWould(ctx context.Context) {
	now := would{at: t.since().Seconds()}
	text, err := t.parts[0].admin.text(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return // a gap; the next look fills it
	}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), `captchagate_shadow_total{would="`)
		if !ok {
			continue
		}
		decision, number, _ := strings.Cut(rest, `"} `)
		n, err := strconv.Atoi(number)
		if place := now.of(decision); place != nil && err == nil {
			*place = n
		}
	}
	t.seen.mu.Lock()
	defer t.seen.mu.Unlock()
	t.seen.would = append(t.seen.would, now)
}

func (w *would) of(decision string) *int {
	return map[string]*int{"allow": &w.allow, "challenge": &w.challenge, "deny": &w.deny}[decision]
}

// wouldAt is what was counted by a time, as it was last looked at before it.
func (s *seen) wouldAt(at float64) (w would) {
	i, found := slices.BinarySearchFunc(s.would, at, func(w would, at float64) int { return cmp.Compare(w.at, at) })
	if found {
		i++
	}
	if i > 0 {
		w = s.would[i-1]
	}
	return w
}

// shadowOf tells of the requests of a stretch; nil if there is nothing to compare with.
// What was decided after the run is of its last moment.
func (v *view) shadowOf(requests []request, from, until float64) *Shadow {
	if v.direct == nil {
		return nil
	}
	if until >= v.length && len(v.seen.would) > 0 {
		until = max(until, v.seen.would[len(v.seen.would)-1].at)
	}
	before, after := v.seen.wouldAt(from), v.seen.wouldAt(until)
	out := &Shadow{Allow: after.allow - before.allow, Challenge: after.challenge - before.challenge, Deny: after.deny - before.deny}
	var apart []time.Duration
	for _, s := range requests {
		if v.isChanging(s.sent) {
			continue
		}
		out.Compared++
		apart = append(apart, (s.took - s.directly).Abs())
		if s.same {
			out.Same++
		}
	}
	slices.Sort(apart)
	out.ApartP50, out.ApartP99, out.ApartMax = quantile(apart, 0.5), quantile(apart, 0.99), quantile(apart, 1)
	return out
}

// settling is how long before and after a change of fault nothing is compared: two APIs
// do not change in the same moment.
const settling = 250 * time.Millisecond

func (v *view) isChanging(at time.Duration) bool {
	return slices.ContainsFunc(v.scenario.Starts()[1:], func(change time.Duration) bool { return (at - change).Abs() < settling })
}

// inShadow finds what is compared with nobody's gateway, and what it would have done.
func (v *view) inShadow(o scenario.Objective, requests []request) (float64, finding) {
	if v.direct == nil {
		return 0, unknown
	}
	var sum Shadow
	for _, w := range v.windows(o, v.length) {
		s := v.shadowOf(nil, w.from, w.until)
		sum.Allow, sum.Challenge, sum.Deny = sum.Allow+s.Allow, sum.Challenge+s.Challenge, sum.Deny+s.Deny
	}
	all := v.shadowOf(requests, 0, 0)
	if all.Compared == 0 {
		return 0, nothing
	}
	return map[string]float64{
		"as directly": percent(all.Same, all.Compared), "apart from directly p99": all.ApartP99,
		"would allow": float64(sum.Allow), "would challenge": float64(sum.Challenge), "would deny": float64(sum.Deny),
	}[o.Measure.Name], known
}
