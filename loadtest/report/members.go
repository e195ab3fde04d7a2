package report

import (
	"fmt"
	"strings"

	"captchagate/chart"
	"captchagate/loadtest"
)

// A memberRow is an instance of a fleet, or its Redis.
type memberRow struct {
	Name string
	Sent string // requests that went to it
	Away string // when it was, in words
}

func memberRows(t *loadtest.Target) (rows []memberRow) {
	for i, m := range t.Members {
		rows = append(rows, memberRow{fmt.Sprint("instance ", i+1), chart.Count(m.Sent), stretches(m.Away())})
	}
	if len(t.Redis) > 0 {
		rows = append(rows, memberRow{"Redis", "–", stretches(t.RedisAway())})
	}
	return rows
}

func stretches(bands []loadtest.Band) string {
	var parts []string
	for _, b := range bands {
		parts = append(parts, fmt.Sprintf("%s %s – %s", label(b.State), chart.Clock(b.From), chart.Clock(b.Until)))
	}
	if len(parts) == 0 {
		return "never"
	}
	return strings.Join(parts, ", ")
}
