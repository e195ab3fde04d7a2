package redis_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/fleet"
	"captchagate/store"
	"captchagate/store/redis"
	"captchagate/store/redis/redistest"
)

// The rights that docs/fleet.md gives the gateway are enough for all that it does.
func TestBoard_NeedsNoMoreThanItsRights(t *testing.T) {
	s := redistest.Start(t)
	if reply := s.Do(rights(t)); reply != "+OK\r\n" {
		t.Fatalf("Redis does not take the rights: %s", reply)
	}
	at, err := store.Redis{"redis://gateway:PASSWORD@" + s.Address()}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	b := redis.New(at, "captchagate:", "tag", patience, quiet, prometheus.NewRegistry())
	t.Cleanup(func() { _ = b.Close() })
	report := fleet.Report{ID: "a", About: []byte("about"), Rules: short, Voting: true}
	report.News[fleet.Audit].Entries = [][]byte{[]byte("entry")}
	asks := map[string]func(gen int64) error{
		"Members": func(int64) error { _, err := b.Members(t.Context()); return err },
		"Look":    func(int64) error { _, _, err := b.Look(t.Context()); return err },
		"Take": func(gen int64) error {
			_, err := b.Take(t.Context(), fleet.Want{
				Gen: gen, ID: "a", Life: time.Minute, Claims: []string{"let:x"}, Bars: []string{"refused:x"},
				Buckets: []fleet.Bucket{{Name: "b", Interval: 1, Burst: 10}}, Clock: fleet.Clock{Name: "c", For: 1 << 20, Begun: -1, Renewed: -1},
			})
			return err
		},
		"Marked": func(int64) error { _, err := b.Marked(t.Context(), "fate:x"); return err },
		"Mark":   func(int64) error { return b.Mark(t.Context(), []fleet.Mark{{Name: "fate:x", Life: time.Minute}}) },
		"Claim": func(int64) error {
			_, err := b.Claim(t.Context(), fleet.Claim{Key: "k", Own: "o", Question: "q", ID: "a", Life: time.Minute, Kept: time.Minute})
			return err
		},
		"Tend": func(int64) error { _, err := b.Tend(t.Context(), "a", true); return err },
		"Done": func(int64) error { return b.Done(t.Context(), "b") },
		"Keep": func(int64) error {
			return b.Keep(t.Context(), "a", []fleet.Record{{Name: "x", Value: []byte("y")}, {Name: "z"}})
		},
		"Left":  func(int64) error { _, err := b.Left(t.Context(), "a", "x"); return err },
		"All":   func(int64) error { _, err := b.All(t.Context(), "a"); return err },
		"Names": func(int64) error { _, err := b.Names(t.Context(), "a"); return err },
		"Took":  func(int64) error { return b.Took(t.Context(), "a", []string{"x"}) },
		"Taken": func(int64) error { _, err := b.Taken(t.Context(), "a", []string{"x"}); return err },
		"Answer": func(int64) error {
			return b.Answer(t.Context(), fleet.Answer{Claim: fleet.Claim{Key: "k", Own: "o", Question: "q", ID: "a", Kept: time.Minute}, Text: []byte("x")})
		},
		"Join":        func(int64) error { return b.Join(t.Context()) },
		"OtherFleets": func(int64) error { _, err := b.OtherFleets(t.Context()); return err },
		"Release":     func(int64) error { return b.Release(t.Context(), "a", "let:x") },
	}
	for deadline := time.Now().Add(20 * time.Second); len(asks) > 0; {
		v, err := b.Beat(t.Context(), report)
		if refused(err) {
			t.Fatal(err)
		}
		for name, ask := range asks {
			switch err := ask(v.Gen); {
			case err == nil:
				delete(asks, name)
			case refused(err):
				t.Errorf("%s: %v", name, err)
				delete(asks, name)
			case time.Now().After(deadline): // before, a busy machine
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func refused(err error) bool { return err != nil && strings.Contains(err.Error(), "NOPERM") }

// rights is the command that the page shows.
func rights(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "    ACL SETUSER")
	command, _, _ := strings.Cut(rest, "\n\n")
	return "ACL SETUSER " + strings.Join(strings.Fields(command), " ")
}
