package main

import (
	"strings"
	"testing"

	"captchagate/loadtest"
)

// Who reads the table must not take a short watch for a gateway that never came
// back.
func TestTable_SaysHowLongItWasWatched(t *testing.T) {
	const never = -1
	run := loadtest.Run{Scenario: "hang", Seconds: 32, Targets: []loadtest.Target{
		{Name: "60-lines", Outages: []loadtest.Outage{{From: 6, Until: 18, FastAfter: never, VerifiedAfter: 0.25, NormalAfter: never}}},
		{Name: "cut off", Outages: []loadtest.Outage{{From: 6, Until: 32, FastAfter: 0.1, VerifiedAfter: never, NormalAfter: never}}},
	}}
	var b strings.Builder
	printTable(&b, []loadtest.Run{run})
	for _, want := range []string{"| not within 12 s | 250 ms | not within 14 s |", "| 100 ms | not watched | not watched |", "| wrong in the whole run |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, b.String())
		}
	}
}
