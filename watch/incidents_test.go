package watch_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/watch"
)

func count(i watch.Incident, decision, cause string) int64 {
	for _, a := range i.Answers {
		if a.Decision == decision && a.Cause == cause {
			return a.Count
		}
	}
	return 0
}

// shape tells an incident's parts in one line, in seconds since it began.
func shape(i watch.Incident) string {
	second := func(at *time.Time) string {
		if at == nil {
			return ""
		}
		return fmt.Sprint(at.Sub(i.Began).Seconds())
	}
	var text strings.Builder
	text.WriteString("0-" + second(i.Ended) + ":")
	for _, p := range i.Parts {
		fmt.Fprintf(&text, " %s %s-%s", p.Kind, second(&p.Began), second(p.Ended))
	}
	return text.String()
}

func wantShape(t *testing.T, i watch.Incident, want string) {
	t.Helper()
	if got := shape(i); got != want {
		t.Errorf("the incident is %q, want %q", got, want)
	}
}

func TestIncidents_SumAnOutageUp(t *testing.T) {
	begun(t, func(t *testing.T, p *process, _ *shelf) {
		p.CountAnswer(watch.Answer{Decision: "allow"})
		if p.Current() != "" || len(p.List(10)) != 0 || p.List(10) == nil {
			t.Fatalf("in peace: %q, %#v", p.Current(), p.List(10))
		}
		began := time.Now()
		p.Begin(watch.KindCircuit, "10 tickets in a row", began)
		id := p.Current()
		p.Begin(watch.KindCircuit, "fell back in recovering", began.Add(time.Second))
		for range 3 {
			p.CountAnswer(watch.Answer{Decision: "allow", Cause: "circuit_open"})
		}
		p.CountAnswer(watch.Answer{Decision: "deny", Cause: "budget_spent"})
		p.CountAnswer(watch.Answer{Decision: "challenge", Cause: "recovering"})
		p.CountAnswer(watch.Answer{Decision: "allow"})
		p.CountAnswer(watch.Answer{Decision: "allow", Cause: "a word of the future"})
		pass(30 * time.Second)
		if open := p.List(1)[0]; open.ID != id || open.Ended != nil || count(open, "allow", "circuit_open") != 3 {
			t.Errorf("while it goes on: %+v", open)
		}
		p.End(watch.KindCircuit, time.Now())
		p.CountAnswer(watch.Answer{Decision: "allow"})
		pass(time.Second)

		if told := p.told(); len(told) != 1 || told[0].ID != id {
			t.Fatalf("told of %+v", told)
		}
		i := p.told()[0]
		wantShape(t, i, "0-30: circuit 0-30")
		if !i.Began.Equal(began) || i.Evidence != "10 tickets in a row" || i.Interrupted || p.Current() != "" {
			t.Errorf("%+v", i)
		}
		want := []watch.AnswerCount{
			{Decision: "allow", Count: 1}, {Decision: "allow", Cause: "circuit_open", Count: 3}, {Decision: "allow", Cause: "other", Count: 1},
			{Decision: "deny", Cause: "budget_spent", Count: 1}, {Decision: "challenge", Cause: "recovering", Count: 1},
		}
		if !slices.Equal(i.Answers, want) {
			t.Errorf("the answers are %v, want %v", i.Answers, want)
		}
	})
}

func TestIncidents_NoneEndsBeforeItBegan(t *testing.T) {
	begun(t, func(t *testing.T, p *process, _ *shelf) {
		p.Begin(watch.KindCircuit, "10 tickets in a row", time.Now())
		p.Begin(watch.KindScript, "it does not load", time.Now().Add(-time.Hour)) // the clock was set back
		p.End(watch.KindScript, time.Now().Add(-time.Hour+time.Minute))
		p.End(watch.KindCircuit, time.Now().Add(-time.Hour+2*time.Minute))
		pass(time.Second)
		wantShape(t, p.told()[0], "0-0: circuit 0-0 script -3600--3540")
	})
}

func TestIncidents_WhatOverlapsIsOne(t *testing.T) {
	begun(t, func(t *testing.T, p *process, _ *shelf) {
		after := func(s int, tell func(watch.Kind, time.Time), k watch.Kind) {
			pass(time.Duration(s) * time.Second)
			tell(k, time.Now())
		}
		begin := func(k watch.Kind, at time.Time) { p.Begin(k, "because of "+string(k), at) }
		after(0, begin, watch.KindCircuit)
		id := p.Current()
		after(10, begin, watch.KindForced)
		after(10, p.End, watch.KindCircuit)
		after(10, p.End, watch.KindAccount) // never began
		after(10, begin, watch.KindCircuit)
		after(10, p.End, watch.KindForced)
		after(10, p.End, watch.KindCircuit)
		after(10, begin, watch.KindAccount)
		if p.Current() == id || p.Current() == "" {
			t.Errorf("the next outage is %q, the first was %q", p.Current(), id)
		}
		pass(time.Second)
		if told := p.told(); len(told) != 1 {
			t.Fatalf("told of %d incidents, want 1", len(told))
		}
		wantShape(t, p.told()[0], "0-60: circuit 0-20 forced 10-50 circuit 40-60")
		if list := p.List(10); len(list) != 2 || list[1].ID != id || list[1].Evidence != "because of circuit; then because of forced" || list[1].Parts[1].Evidence != "because of forced" {
			t.Errorf("listed %+v", list)
		}
	})
}

func TestIncidents_LearnWhatReverificationFinds(t *testing.T) {
	begun(t, func(t *testing.T, p *process, disk *shelf) {
		p.Begin(watch.KindCircuit, "faults", time.Now())
		id := p.Current()
		p.End(watch.KindCircuit, time.Now())
		pass(time.Second)
		if r := p.List(1)[0].Reverified; r.ShareChecked != nil || r.ShareRefuted != nil {
			t.Errorf("shares of nothing: %+v", r)
		}
		if p.SetReverified("nobody's", watch.Counts{Refuted: 1}) {
			t.Error("an incident that is not kept took counts")
		}
		p.SetReverified(id, watch.Counts{Waiting: 100})
		p.SetReverified(id, watch.Counts{Confirmed: 45, Refuted: 5, Unverifiable: 30, Waiting: 20})
		p.SetReverified(id, watch.Counts{})
		pass(2 * time.Second)
		for name, p := range map[string]*process{"the same process": p, "the next one": open(t, disk.asOfNow())} {
			i, ok := p.Find(id)
			if r := i.Reverified; !ok || r.Refuted != 5 || *r.ShareChecked != 0.5 || *r.ShareRefuted != 0.1 {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if told := p.told(); len(told) != 1 {
			t.Errorf("told of the end %d times", len(told))
		}
	})
}

func TestIncidents_StayBounded(t *testing.T) {
	begun(t, func(t *testing.T, p *process, _ *shelf) {
		p.Begin(watch.KindCircuit, strings.Repeat("é", 5000), time.Now())
		for range 1000 {
			p.Begin(watch.KindForced, "again", time.Now())
			p.End(watch.KindForced, time.Now())
		}
		i := p.List(1)[0]
		if len(i.Parts) > 33 || len(i.Evidence) > 1024 || strings.ContainsRune(i.Evidence, '\ufffd') {
			t.Errorf("%d parts, %d bytes of evidence", len(i.Parts), len(i.Evidence))
		}
		p.End(watch.KindCircuit, time.Now())
		if p.Current() != "" {
			t.Error("it did not end")
		}
	})
}

func TestIncidents_CountEveryAnswerOnce(t *testing.T) {
	begun(t, func(t *testing.T, p *process, _ *shelf) {
		p.Begin(watch.KindCircuit, "faults", time.Now())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 1000 {
					p.CountAnswer(watch.Answer{Decision: "allow", Cause: "circuit_open"})
					p.CountAnswer(watch.Answer{Decision: "deny"})
					_ = p.List(1)
				}
			})
		}
		wg.Wait()
		p.End(watch.KindCircuit, time.Now())
		if i := p.List(1)[0]; count(i, "allow", "circuit_open") != 8000 || count(i, "deny", "") != 8000 {
			t.Errorf("%v", i.Answers)
		}
	})
}

func TestIncident_IsWrittenAsOperatorsReadIt(t *testing.T) {
	begun(t, func(t *testing.T, p *process, _ *shelf) {
		p.Begin(watch.KindCircuit, "faults", time.Now())
		p.CountAnswer(watch.Answer{Decision: "allow"})
		i := p.List(1)[0]
		i.ID = "x"
		text, err := json.Marshal(i)
		const want = `{"id":"x","began":"2000-01-01T00:00:00Z","ended":null,"evidence":"faults",` +
			`"parts":[{"kind":"circuit","began":"2000-01-01T00:00:00Z","ended":null,"evidence":"faults"}],"interrupted":false,` +
			`"answers":[{"decision":"allow","count":1}],` +
			`"scenes":[{"scene":"other","verified":1,"solved":0,"let_through":0,"challenged":0,"denied":0}],"spared":0,"request_ids":[],` +
			`"reverified":{"waiting":0,"confirmed":0,"refuted":0,"unverifiable":0,"share_checked":null,"share_refuted":null}}`
		if string(text) != want || err != nil {
			t.Errorf("it is\n%s\nwant\n%s", text, want)
		}
	})
}

// An incident says what users got by scene, what was spared, and which request ids of calls
// that failed to quote: also those that failed just before it was known, and none from long
// ago. A restart changes nothing.
func TestIncidents_CountByScene(t *testing.T) {
	want := func(t *testing.T, i watch.Incident) {
		t.Helper()
		scenes := []watch.SceneCount{{Scene: "comment", LetThrough: 1, Denied: 1}, {Scene: "login", Verified: 1, Solved: 1, Challenged: 1}}
		if !slices.Equal(i.Scenes, scenes) || i.Spared != 2 || !slices.Equal(i.RequestIDs, []string{"just-before", "first"}) {
			t.Errorf("scenes %+v, spared %d, ids %q", i.Scenes, i.Spared, i.RequestIDs)
		}
	}
	begun(t, func(t *testing.T, p *process, s *shelf) {
		p.Spared() // in peace it belongs to nothing
		p.Quote("long-ago", time.Now())
		pass(time.Hour)
		p.Quote("just-before", time.Now())
		p.Begin(watch.KindCircuit, "faults", time.Now())
		id := p.Current()
		for _, bad := range []string{"", "first", "first", "<b>", "a b", strings.Repeat("x", 65)} {
			p.Quote(bad, time.Now())
		}
		p.Spared()
		p.Spared()
		for _, a := range []watch.Answer{
			{Scene: "comment", Decision: "allow", Cause: "circuit_open", Degraded: true}, {Scene: "comment", Decision: "deny"}, {Scene: "login", Decision: "allow"},
			{Scene: "login", Decision: "allow", Cause: "circuit_open", Degraded: true, Solved: true}, {Scene: "login", Decision: "challenge", Cause: "circuit_open", Degraded: true},
		} {
			p.CountAnswer(a)
		}
		i, _ := p.Find(id)
		want(t, i)
		p.stop()
		next := open(t, s)
		next.Begin(watch.KindCircuit, "faults", time.Now())
		i, _ = next.Find(id)
		want(t, i)
		next.End(watch.KindCircuit, time.Now())
		i, _ = next.Find(id)
		want(t, i)
	})
}
