package admin

import (
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"time"

	"captchagate/chart"
	"captchagate/control"
)

// pageWords are what the templates write figures and times with.
var pageWords = template.FuncMap{
	"when": when, "ago": ago, "due": due, "left": left, "clock": atClock, "percent": percentOf, "nameOf": nameOf, "circuitWord": circuitWord,
	"age":    func(ms int64) string { return spanOf(time.Duration(ms) * time.Millisecond) },
	"lookOf": lookOfReplica, "viewOf": viewOf, "lasted": lasted, "askedAgain": askedAgain, "thisOne": thisOne,
	"gloss": func(mode string) string { return glosses[mode] }, "modeText": modeText, "inForce": inForce, "fleetText": fleetText, "incidentsText": incidentsText,
	"answersOf": answersOf, "worstFirst": worstFirst, "late": Replica.late, "unwell": Replica.unwell, "summaryOf": summaryOf,
}

// when is a moment that the script shows in the browser's zone too, where it is pointed at.
func when(t, now time.Time) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, machine(t), atClock(t, now))) //nolint:gosec // figures
}

// ago, due and left are spans that the script keeps counting.
func ago(t, now time.Time) template.HTML { return span("ago", t, spanOf(now.Sub(t))+" ago") }

func due(t, now time.Time) template.HTML {
	text := "now"
	if t.Sub(now) >= time.Second {
		text = "in " + spanOf(t.Sub(now))
	}
	return span("due", t, text)
}

func left(t, now time.Time) template.HTML { return span("left", t, spanOf(t.Sub(now))) }

func span(kind string, t time.Time, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<span data-%s="%s">%s</span>`, kind, machine(t), text)) //nolint:gosec // figures
}

// summaryOf is what an entry of the audit says, with its times in the form of the page.
func summaryOf(e control.Entry) string {
	return entryTimes.ReplaceAllStringFunc(e.Summary, func(text string) string {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return text
		}
		return atClock(t, e.At)
	})
}

var entryTimes = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

func machine(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// spanOf writes a span of time for people; dashboard.js writes the same.
func spanOf(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 100:
		return fmt.Sprint(s, " s")
	case s < 100*60:
		return fmt.Sprint(s/60, " min")
	case s < 48*3600:
		return fmt.Sprint(s/3600, " h ", s/60%60, " min")
	}
	return fmt.Sprint(s/86400, " days")
}

func percentOf(share float64) string { return chart.Percent(100 * share) }

func lookOfReplica(r Replica, s Status) string {
	switch {
	case r.unheard(s):
		return lookOdd
	case !r.This && r.lost() || r.State == open || r.State == halfOpen:
		return lookBad
	case r.State == closed:
		return lookGood
	}
	return lookOdd
}

// viewOf is how an instance sees the API.
func viewOf(r Replica, s Status) string {
	switch {
	case r.unheard(s):
		return "not heard of while Redis is away"
	case r.This:
		return "sees the API " + circuitWord(s.Breaker.State)
	case r.lost():
		return "not heard of: gone or cut off"
	}
	return "sees the API " + circuitWord(r.State)
}

// unheard reports whether this instance hears nothing of it, because it hears nothing of any.
func (r Replica) unheard(s Status) bool { return !r.This && s.Fleet != nil && s.Fleet.Redis != "up" }

// late reports whether it was last heard of longer ago than they tell of themselves.
func (r Replica) late(s Status) bool { return !r.This && !r.unheard(s) && r.AgeMS >= 3000 }

// unwell reports whether it has been seeing the API away, or coming back, since some time.
func (r Replica) unwell(s Status) bool {
	return !r.Since.IsZero() && !r.unheard(s) && lookOfReplica(r, s) != lookGood
}

// worstFirst are the instances, those that are not well first.
func worstFirst(s Status) []Replica {
	rank := func(r Replica) int { return slices.Index([]string{lookBad, lookOdd, lookGood}, lookOfReplica(r, s)) }
	return slices.SortedStableFunc(slices.Values(s.Replicas), func(a, b Replica) int { return rank(a) - rank(b) })
}

// fleetText says how many instances there are, and which of them are not well.
func fleetText(s Status, now time.Time) string {
	f := s.Fleet
	switch {
	case f.Redis != "up" && f.RedisSince == nil:
		return fmt.Sprintf("of %d only this one is heard of", f.Alive)
	case f.Redis != "up":
		return fmt.Sprintf("%d of %d not heard of since %s", max(f.Alive-1, 0), f.Alive, atClock(*f.RedisSince, now))
	case f.Ill == 0:
		return fmt.Sprintf("%d instances, none of them ill", f.Alive)
	}
	return fmt.Sprintf("%d instances, %d of them ill", f.Alive, f.Ill)
}

func thisOne(s Status) string {
	for _, r := range s.Replicas {
		if r.This {
			return nameOf(r)
		}
	}
	return ""
}
