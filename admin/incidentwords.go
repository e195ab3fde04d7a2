package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"captchagate/chart"
	"captchagate/watch"
)

func lasted(i watch.Incident) string {
	if i.Ended == nil {
		return "and it goes on"
	}
	return "for " + exactly(i.Ended.Sub(i.Began))
}

// answersOf says what users got in an incident: "444 answers: 189 challenged, …".
func answersOf(i watch.Incident) string {
	total := totalOf(i.Scenes).Sum()
	if total == 0 {
		return ""
	}
	return cmp.Or(map[int64]string{1: "1 answer"}[total], chart.Count(total)+" answers") + ": " + gotText(i)
}

// incidentsText says of a gateway that had no incident what one is, and that what the
// headline tells is none.
func incidentsText(s Status, h headline) string {
	const kinds = "the API is down, degraded is forced, the account is refused, or the captcha’s script is away"
	switch {
	case h.Look == lookGood:
		return "None yet. An incident is a time when " + kinds + "."
	case s.Mode == degraded || s.Account.State == accountRefused || s.Script.State == ScriptDown:
		return "It is being written down."
	}
	return "“" + h.Badge + "” (above) is not counted as one: only when " + kinds + "."
}

// whoseDoing says of a kind of incident whose doing it was.
var whoseDoing = map[watch.Kind]string{
	watch.KindCircuit: "the Captcha API’s", watch.KindForced: "an operator’s", watch.KindAccount: "our account’s", watch.KindScript: "the captcha’s script host’s",
}

// lastOutage says when the last outage ended and whose doing it was, if that was within a
// day.
func lastOutage(s Status, past []watch.Incident, now time.Time) string {
	if len(past) == 0 || past[0].Ended == nil || now.Sub(*past[0].Ended) > 24*time.Hour {
		return ""
	}
	var whose []string
	for _, p := range past[0].Parts {
		if text := whoseDoing[p.Kind]; !slices.Contains(whose, text) {
			whose = append(whose, text)
		}
	}
	if s.Fleet != nil { // some instances may have been ill alone
		whose = slices.DeleteFunc(whose, func(text string) bool { return text == whoseDoing[watch.KindCircuit] })
	}
	text := fmt.Sprintf("; the last incident ended %s ago", spanOf(now.Sub(*past[0].Ended)))
	if whose == nil {
		return text
	}
	return text + ", it was " + strings.Join(whose, " and ")
}
