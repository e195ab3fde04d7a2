package report_test

import (
	"time"

	"captchagate/loadtest"
)

// The runs here are made up, and such as could have been.

func hang() loadtest.Run {
	run := loadtest.Run{
		Scenario: "hang", Title: "The Captcha API takes every call and never answers",
		About: "Nothing is refused and nothing comes back.", Source: "name: hang\nphases:\n  - {name: healthy, for: 6s}\n",
		Began: time.Date(2026, 11, 28, 5, 0, 0, 0, time.UTC), Seconds: 38, Planned: 38, Passed: true, Seed: 7,
		Machine: loadtest.Machine{OS: "linux/amd64", CPU: "A processor", Cores: 2, Go: "go1.26.8", Version: "v0.9.0", Load: "0.21"},
		Phases: []loadtest.Phase{
			{Name: "healthy", From: 0, Until: 6, Rate: "300/s"},
			{Name: "outage", From: 6, Until: 21, Rate: "300/s", Fault: "hang", Outage: true},
			{Name: "after", From: 21, Until: 38, Rate: "300/s"},
		},
	}
	run.Targets = []loadtest.Target{gateway()}
	return run
}

// gateway notices at once and finds its way back.
func gateway() loadtest.Target {
	t := loadtest.Target{
		Name: "captchagate", Address: "http://127.0.0.1:41601", Version: "v0.9.0",
		Objectives: []loadtest.Objective{
			{Text: "useful >= 100%", Found: "100%", Met: true},
			{Text: "p99 during outage <= 300ms", Found: "136ms", Met: true},
			{Text: "transitions <= 2", Found: "2", Met: true},
		},
		Circuit: []loadtest.Band{{State: "closed", Until: 6.2}, {State: "open", From: 6.2, Until: 21.4}, {State: "half_open", From: 21.4, Until: 21.6}, {State: "recovering", From: 21.6, Until: 31.6}, {State: "closed", From: 31.6, Until: 38}},
		Mode:    []loadtest.Band{{State: "normal", Until: 6.2}, {State: "degraded", From: 6.2, Until: 31.6}, {State: "normal", From: 31.6, Until: 38}},
		Events: []loadtest.Event{
			{At: 6, Kind: "fault", Text: "hang"},
			{At: 6.2, Kind: "transition", Text: "closed → open: 10 calls in a row failed in 180 ms"},
			{At: 21, Kind: "fault", Text: "none"},
			{At: 21.4, Kind: "transition", Text: "open → half open: a probe came back"},
		},
		Outages: []loadtest.Outage{{From: 6, Until: 21, Useful: 100, P50: 0.4, P99: 136, P999: 180, FastAfter: 0.21, OpenAfter: 0.2, CallsOpen: 14, APICalls: 71, VerifiedAfter: 0.9, NormalAfter: 10.7}},
		Kept:    loadtest.Kept{Intended: 300, Sent: 300, LateP50: 0.06, LateP99: 0.3, LateMax: 2.1, OK: true},
		Counts: []loadtest.Count{
			{User: "valid", Scene: "login", Decision: "allow", Reason: "verified", Status: 200, N: 6100},
			{User: "valid", Scene: "login", Decision: "challenge", Reason: "challenge_required", Cause: "circuit_open", Status: 200, N: 4550},
		},
	}
	for at := 0.0; at < 38; at += loadtest.SlotSeconds {
		s := loadtest.Slot{Sent: 75, P50: 23, P99: 29, Max: 34}
		switch {
		case at >= 6 && at < 21.6:
			s.Answers, s.P50, s.P99, s.Max = loadtest.Answers{Challenged: 70, Rejected: 5}, 0.4, 2.2, 3
			if at == 6 {
				s.P99, s.Max, s.APICalls = 180, 204, 57
			}
		case at >= 21.6 && at < 31.6:
			n := int(75 * (at - 21.6) / 10)
			s.Answers, s.APICalls = loadtest.Answers{Verified: n, Challenged: 75 - n}, int64(n)
		default:
			s.Answers, s.APICalls = loadtest.Answers{Verified: 68, Rejected: 7}, 75
		}
		t.Series = append(t.Series, s)
	}
	t.Phases = []loadtest.Tally{sum(t.Series[:24]), sum(t.Series[24:84]), sum(t.Series[84:])}
	t.Total = sum(t.Series)
	return t
}

// fleet loses its Redis in the outage, and one of its three instances.
func fleet() loadtest.Run {
	run := hang()
	t := &run.Targets[0]
	t.Address = "http://127.0.0.1:41601, http://127.0.0.1:41603, http://127.0.0.1:41605"
	died := func(bands []loadtest.Band) []loadtest.Band {
		return append(bands[:1:1], loadtest.Band{State: bands[1].State, From: 6.2, Until: 12}, loadtest.Band{State: "down", From: 12, Until: 38})
	}
	t.Members = []loadtest.Member{
		{Sent: 4600, Circuit: t.Circuit, Mode: t.Mode}, {Sent: 1200, Circuit: died(t.Circuit), Mode: died(t.Mode)}, {Sent: 5600, Circuit: t.Circuit, Mode: t.Mode},
	}
	t.Redis = []loadtest.Band{{State: "up", Until: 8}, {State: "stopped", From: 8, Until: 18}, {State: "up", From: 18, Until: 38}}
	t.Events = []loadtest.Event{
		{At: 6, Kind: "fault", Text: "hang"},
		{At: 6.2, Kind: "transition", Text: "instance 1: closed → open: 10 calls in a row failed in 180 ms"},
		{At: 8, Kind: "redis", Text: "Redis stopped, as SIGSTOP does"},
		{At: 12, Kind: "kill", Text: "instance 2 killed, as kill -9 does"},
		{At: 18, Kind: "start", Text: "Redis goes on"},
	}
	return run
}

// sixtyLines waits for time-outs and never tells its state.
func sixtyLines() loadtest.Target {
	t := gateway()
	t.Name, t.Address, t.Version = "sixty-lines", "http://127.0.0.1:41602", ""
	t.Circuit, t.Mode, t.Counts, t.Events = nil, nil, nil, nil
	t.Objectives = []loadtest.Objective{
		{Text: "useful >= 100%", Found: "61.49%"},
		{Text: "p99 during outage <= 300ms", Found: "5.01s"},
		{Text: "transitions <= 2", Found: "no data"},
	}
	t.Outages = []loadtest.Outage{{From: 6, Until: 21, Useful: 0, P50: 5000, P99: 5010, P999: 5020, FastAfter: -1, OpenAfter: -1, CallsOpen: -1, APICalls: 4500, VerifiedAfter: 0.02, NormalAfter: -1}}
	for i := 24; i < 84; i++ {
		t.Series[i] = loadtest.Slot{Sent: 75, Answers: loadtest.Answers{Failed: 68, HungUp: 3, Wrong: 4}, APICalls: 75, P50: 5000, P99: 5010, Max: 5030}
	}
	t.Phases[1], t.Total = sum(t.Series[24:84]), sum(t.Series)
	return t
}

// sum is close enough to what a run would have said.
func sum(slots []loadtest.Slot) loadtest.Tally {
	var t loadtest.Tally
	for _, s := range slots {
		t.Sent += s.Sent
		t.APICalls += s.APICalls
		a, b := &t.Answers, s.Answers
		a.Verified += b.Verified
		a.Rejected += b.Rejected
		a.Challenged += b.Challenged
		a.Failed += b.Failed
		a.Wrong += b.Wrong
		a.HungUp += b.HungUp
		t.P50, t.P99, t.Max = max(t.P50, s.P50), max(t.P99, s.P99), max(t.Max, s.Max)
	}
	if asked := t.Sent - t.Answers.HungUp; asked > 0 {
		t.Useful = 100 * float64(asked-t.Answers.Failed-t.Answers.Wrong) / float64(asked)
	}
	return t
}

func missedRun() loadtest.Run {
	run := hang()
	run.Passed = false
	run.Targets = []loadtest.Target{sixtyLines()}
	return run
}

func endedEarly() loadtest.Run {
	run := hang()
	run.Passed, run.EndedEarly, run.Seconds = false, true, 15
	t := &run.Targets[0]
	t.Series, t.Events = t.Series[:60], t.Events[:2]
	t.Phases[1], t.Phases[2], t.Total = sum(t.Series[24:]), loadtest.Tally{Useful: 100}, sum(t.Series)
	t.Circuit, t.Mode = t.Circuit[:2], t.Mode[:2]
	t.Circuit[1].Until, t.Mode[1].Until = 15, 15
	t.Objectives = []loadtest.Objective{
		{Text: "useful >= 100%", Found: "100% so far", Unjudged: true},
		{Text: "opens after <= 100ms", Found: "200ms"},
		{Text: "p99 in healthy <= 300ms", Found: "29ms", Met: true},
		{Text: "normal after recovery <= 12s", Found: "not seen (stopped early)", Unjudged: true},
	}
	o := &t.Outages[0]
	o.Until, o.VerifiedAfter, o.NormalAfter = 15, -1, -1
	return run
}

// unlike is what should not be laid beside hang, and why.
func unlike() loadtest.Run {
	run := endedEarly()
	run.Began, run.Seed = run.Began.Add(time.Hour), 8
	run.Phases[1].Rate = "500/s"
	run.Machine.Cores, run.Machine.Version, run.Machine.Go = 8, "v0.9.1", "go1.27.0"
	t := &run.Targets[0]
	t.Version, t.Kept = "v0.9.1", loadtest.Kept{Intended: 500, Sent: 412, LateP99: 31, Why: "the machine was busy"}
	return run
}

func comparison() loadtest.Run {
	run := missedRun()
	run.Targets = []loadtest.Target{gateway(), sixtyLines()}
	return run
}

func nothing() loadtest.Run {
	return loadtest.Run{
		Scenario: "hang", Phases: []loadtest.Phase{{Name: "healthy", Until: 6, Rate: "300/s"}},
		Targets: []loadtest.Target{{Name: "captchagate", Phases: []loadtest.Tally{{Useful: 100}}, Kept: loadtest.Kept{Why: "nothing was sent"}}},
	}
}

// hostile has markup of both kinds wherever there is text.
func hostile() loadtest.Run {
	run := hang()
	const bad = `</style></title></pre><script src="//x.test/x.js">alert(1)</script><img src=x onerror=alert(2)>"'|` + "`[a](javascript:alert(3))" + "\n# @all"
	run.Scenario, run.Title, run.About, run.Source = bad, bad, bad, bad
	run.Machine = loadtest.Machine{OS: bad, CPU: bad, Go: bad, Version: bad, Load: bad}
	for i := range run.Phases {
		run.Phases[i].Name, run.Phases[i].Rate, run.Phases[i].Fault = bad, bad, bad
	}
	t := &run.Targets[0]
	t.Name, t.Address, t.Version = bad, bad, bad
	t.Objectives = []loadtest.Objective{{Text: bad, Found: bad}}
	t.Circuit[0].State, t.Mode[0].State = bad, bad
	t.Redis = []loadtest.Band{{State: bad, Until: 38}}
	t.Events = []loadtest.Event{{At: 1, Kind: bad, Text: bad}}
	t.Kept.OK, t.Kept.Why = false, bad
	t.Counts = []loadtest.Count{{User: bad, Scene: bad, Decision: bad, Reason: bad, Cause: bad}}
	return run
}

// inShadow is a gateway that changes nothing for its callers, of whom an outage leaves
// those in it without an answer.
func inShadow() loadtest.Run {
	run := hang()
	run.Scenario, run.Title = "shadow", "A gateway in shadow"
	t := &run.Targets[0]
	t.Objectives = []loadtest.Objective{{Text: "as directly >= 100%", Found: "99.991%"}, {Text: "would allow during outage >= 4000", Found: "4320", Met: true}}
	t.Total.Shadow = &loadtest.Shadow{Compared: 11250, Same: 11249, ApartP50: 0.3, ApartP99: 4.1, ApartMax: 21, Allow: 10650, Challenge: 12, Deny: 738}
	for i, s := range []loadtest.Shadow{
		{Compared: 1725, Same: 1725, ApartP50: 0.3, ApartP99: 2.2, ApartMax: 9, Allow: 1690, Deny: 110},
		{Compared: 4350, Same: 4350, ApartP50: 0.4, ApartP99: 4.6, ApartMax: 21, Allow: 4320, Challenge: 12, Deny: 168},
		{Compared: 5175, Same: 5174, ApartP50: 0.3, ApartP99: 3.9, ApartMax: 12, Allow: 4640, Deny: 460},
	} {
		t.Phases[i].Shadow = &s
	}
	return run
}
