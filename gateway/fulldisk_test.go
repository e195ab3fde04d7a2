package gateway_test

import (
	"strings"
	"testing"
	"time"
)

// While the store takes no writes nobody is let through, the answer's line says
// that it is not the budget, and the error is one line a minute with a count.
func TestFullDisk_IsOneLineAMinute(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.throws(`{"mode":"degraded","reason":"test"}`)
		if err := h.g.BreakStore(); err != nil {
			t.Fatal(err)
		}
		ask := func(n int) (line string) {
			for range n {
				a := h.ask(h.user("comment", "valid"))
				if a.Decision == "allow" || a.Cause != "budget_spent" {
					t.Fatalf("%v", a)
				}
				line = h.lineOf("decision_id=" + a.ID)
			}
			return line
		}
		if line := ask(200); !strings.Contains(line, "cause=store_trouble") || !strings.Contains(line, "the store takes no writes") {
			t.Errorf("the line is %q", line)
		}
		if s := h.status().Store; s.Trouble == nil || s.Trouble.Users != 200 || s.Trouble.Since.IsZero() || s.Trouble.Error == "" {
			t.Errorf("the status of the store is %+v", s)
		}
		const complaint = "somebody was not let through unverified"
		if n := strings.Count(h.log.String(), complaint); n != 1 {
			t.Errorf("%d lines for 200 requests", n)
		}
		time.Sleep(time.Minute + time.Second)
		if n := strings.Count(h.log.String(), complaint); n != 2 || !strings.Contains(h.log.String(), "times=199") {
			t.Errorf("%d lines a minute later, or no count", n)
		}
		time.Sleep(time.Minute)
		if s := h.status().Store; s.Trouble != nil {
			t.Errorf("nobody was kept out for a minute: %+v", s.Trouble)
		}
	})
}
