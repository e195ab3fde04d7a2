package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"captchagate/chart"
	"captchagate/watch"
)

// A story is an incident in words, for people who were not there.
type story struct {
	watch.Incident

	Title string
	What  []string // happened, a sentence each
	Seen  []seen
	Got   []share // by users, the most first
	Again string  // what asking again found; "" if nobody was let through
	Notes []string
}

// seen is how a part of it was noticed.
type seen struct{ When, Text string }

// share is how many users got something. Class is its colour.
type share struct {
	Count       int64
	Share, Text string
	Class       string
}

// whatHappened is what each kind of part means.
var whatHappened = map[watch.Kind]string{
	watch.KindCircuit: "The Captcha API did not verify users as it should, or could not be reached from here.",
	watch.KindForced:  "An operator had the Captcha API treated as if it were down.",
	watch.KindAccount: "The Captcha API refused our account. That is no outage of the API: it is about keys, permissions or billing.",
	watch.KindScript:  "The captcha's script, which pages load in the browser, could not be loaded.",
}

// spanOfPart says of each kind of part what its span is the time of: the title has that of
// all of it.
var spanOfPart = map[watch.Kind]string{
	watch.KindCircuit: "API away", watch.KindForced: "degraded mode", watch.KindAccount: "account", watch.KindScript: "script away",
}

// newStory tells an incident, and besides what operators did in it.
func newStory(i watch.Incident, forced []string) story {
	s := story{Incident: i, Title: titleOf(i), Got: sharesOf(i.Scenes), Again: askedAgain(i)}
	for _, p := range i.Parts {
		if what := whatHappened[p.Kind]; !slices.Contains(s.What, what) {
			s.What = append(s.What, what)
		}
		s.Seen = append(s.Seen, seen{spanOfPart[p.Kind] + " " + between(p.Began, p.Ended), p.Evidence})
	}
	s.What = append(s.What, forced...)
	if i.Ended == nil {
		s.Notes = append(s.Notes, "It goes on: all figures are as of now.")
	}
	if i.Interrupted {
		s.Notes = append(s.Notes, "The gateway was restarted meanwhile: the answers of a second or two may be missing.")
	}
	s.Notes = append(s.Notes, "Counted by this gateway; what the provider owes is decided by its own records.")
	return s
}

func titleOf(i watch.Incident) string {
	began := i.Began.UTC()
	if i.Ended == nil {
		return began.Format("Captcha incident since 2 January 2006, 15:04:05 UTC")
	}
	return began.Format("Captcha incident of 2 January 2006, ") + between(began, i.Ended) + " (" + exactly(i.Ended.Sub(began)) + ")"
}

// between is a time of a day, and of another day if it ends there.
func between(began time.Time, ended *time.Time) string {
	const clock = "15:04:05"
	began = began.UTC()
	if ended == nil {
		return "since " + began.Format(clock) + " UTC"
	}
	form := clock
	if end := ended.UTC(); end.YearDay() != began.YearDay() || end.Year() != began.Year() {
		form = "2 January 15:04:05"
	}
	return began.Format(clock) + " to " + ended.UTC().Format(form) + " UTC"
}

// exactly writes a span with its seconds.
func exactly(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprint(s, " s")
	case s < 3600:
		return fmt.Sprint(s/60, " min ", s%60, " s")
	}
	return fmt.Sprint(s/3600, " h ", s/60%60, " min")
}

// CallsFailed reports whether there is anything to quote to the provider: what an operator
// forces fails no call, nor does a script that pages cannot load.
func (s story) CallsFailed() bool {
	return len(s.RequestIDs) > 0 || slices.ContainsFunc(s.Parts, func(p watch.Part) bool {
		return p.Kind == watch.KindCircuit || p.Kind == watch.KindAccount
	})
}

// sharesOf says what users of all scenes got, the most first.
func sharesOf(scenes []watch.SceneCount) []share {
	all := totalOf(scenes)
	shares := []share{
		{Count: all.Verified, Text: "verified by the Captcha API", Class: "verified"},
		{Count: all.LetThrough, Text: "let through unverified", Class: "allowed"},
		{Count: all.Solved, Text: "let in for a solved challenge", Class: "solved"},
		{Count: all.Challenged, Text: "shown the alternate challenge", Class: "challenged"},
		{Count: all.Denied, Text: "denied", Class: "denied"},
	}
	sum := all.Sum()
	shares = slices.DeleteFunc(shares, func(s share) bool { return s.Count == 0 })
	slices.SortStableFunc(shares, func(a, b share) int { return int(b.Count - a.Count) })
	for i := range shares {
		shares[i].Share = wholePercent(shares[i].Count, sum)
	}
	return shares
}

func totalOf(scenes []watch.SceneCount) (all watch.SceneCount) {
	for _, s := range scenes {
		all = all.Plus(s)
	}
	return all
}

// Total is what all scenes got.
func (s story) Total() watch.SceneCount { return totalOf(s.Scenes) }

// Answers is how many answers were given.
func (s story) Answers() int64 { return s.Total().Sum() }

// askedAgain says what became of those who were let through, or will while it goes on.
func askedAgain(i watch.Incident) string {
	r := i.Reverified
	all := r.Waiting + r.Confirmed + r.Refuted + r.Unverifiable
	if all == 0 {
		return ""
	}
	if all == r.Waiting && i.Ended == nil {
		return fmt.Sprintf("%s were let through with a real ticket, and will be asked about again once the Captcha API is back.", chart.Count(all))
	}
	parts := []string{fmt.Sprintf("%s proved good", chart.Count(r.Confirmed)), fmt.Sprintf("%s proved bad", chart.Count(r.Refuted))}
	if r.Unverifiable > 0 {
		parts = append(parts, fmt.Sprintf("%s could not be checked any more", chart.Count(r.Unverifiable)))
	}
	if r.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("%s are still to be asked about", chart.Count(r.Waiting)))
	}
	again := "who were asked about again once the Captcha API was back"
	if i.Ended == nil {
		again = "who are asked about again whenever the Captcha API answers"
	}
	return fmt.Sprintf("Of %s let through with a real ticket, %s, %s.", chart.Count(all), again, listed(parts))
}

// listed joins parts of a sentence.
func listed(parts []string) string {
	last := len(parts) - 1
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}
