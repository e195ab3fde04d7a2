package report

import (
	"strings"

	"captchagate/chart"
)

// kind names an event for people: what the JSON calls a transition is one of the
// circuit's, while the objective of that name counts those of the mode.
func kind(event string) string {
	if event == "transition" {
		return "circuit"
	}
	return event
}

// label writes a state's or decision's name for people.
func label(state string) string {
	if state == "" {
		return "–"
	}
	return strings.ReplaceAll(state, "_", " ")
}

// orNever writes a number of which a negative one means that it never began, or
// that the target does not tell.
func orNever(n int64) string {
	if n < 0 {
		return "–"
	}
	return chart.Count(n)
}

// markdown keeps what others wrote from being markup, a mention or a new row.
func markdown(s string) string {
	lines := func(r rune) bool {
		return r == '\n' || r == '\r' || r == '\t' || r == '\v' || r == '\f' || r == '\u2028' || r == '\u2029'
	}
	s = strings.Join(strings.FieldsFunc(s, lines), " ")
	pairs := []string{"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;", "#", "&#35;", "://", "&#58;//"}
	for _, c := range "\\`*_[]|~!" {
		pairs = append(pairs, string(c), "\\"+string(c))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}
