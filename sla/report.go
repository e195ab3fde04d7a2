package sla

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// A Report is a month's service levels, as GET /admin/v1/sla shows them. Of a month that
// goes on it says how it stands, the minute under way included.
type Report struct {
	Month       string    `json:"month"` // 2026-11, of sla.zone
	From        time.Time `json:"from"`
	To          time.Time `json:"to"` // the month's end
	Target      float64   `json:"target"`
	Observed    int64     `json:"observed_minutes"` // in which there was a request; the others count as available
	Unavailable int64     `json:"unavailable_minutes"`
	// Availability is 1 less the unavailable minutes' share of all minutes of the month
	// so far; 1 before its first.
	Availability float64 `json:"availability"`
	Requests     int64   `json:"requests"`        // calls to the API, probes included
	Failed       int64   `json:"failed_requests"` // of these
	Faults       []Fault `json:"faults"`          // oldest first
	Claim        Claim   `json:"claim"`
}

// A Fault is unavailable minutes in a row.
type Fault struct {
	Began      time.Time        `json:"began"`
	Ended      time.Time        `json:"ended"` // the end of its last minute
	Minutes    int64            `json:"minutes"`
	Requests   int64            `json:"requests"`
	Failed     int64            `json:"failed"`
	Kinds      map[string]int64 `json:"kinds"`       // how many failed of which kind or error code
	Unanswered int64            `json:"unanswered"`  // of those that failed: not answered, or not to the end
	RequestIDs []string         `json:"request_ids"` // of some that failed, at most 20

	probes int64 // of those that failed
}

// A Claim is what the provider owes by these figures. Its own records decide.
type Claim struct {
	Verifications int64     `json:"verifications"` // 0 if the target was met
	Spared        int64     `json:"spared"`        // users about whom nobody was asked because the circuit was open
	Until         time.Time `json:"until"`         // asked for before then, or lost
}

const (
	// claimFactor is how many verifications the agreement gives for each that failed.
	claimFactor = 10
	// claimMonths is how long after the month's end they can be asked for.
	claimMonths = 2
	monthForm   = "2006-01"
)

// ErrMonth says that a month is not written as one.
var ErrMonth = errors.New("must be a year and a month such as 2026-11")

// Month is the report of a month such as 2026-11; "" is the present one. The error is
// ErrMonth.
func (l *Levels) Month(month string) (Report, error) {
	now := time.Now().Add(time.Duration(l.offset.Load()))
	if month == "" {
		month = now.In(l.zone).Format(monthForm)
	}
	from, err := time.ParseInLocation(monthForm, month, l.zone)
	if err != nil || from.Year() < 1970 {
		return Report{}, ErrMonth
	}
	return l.report(from, now), nil
}

// Due are the reports of months that are over with a claim which can be made for not more
// than so long any more, oldest first.
func (l *Levels) Due(within time.Duration) (due []Report) {
	now := time.Now().Add(time.Duration(l.offset.Load()))
	y, m, _ := now.In(l.zone).Date()
	for back := claimMonths; back > 0; back-- {
		r := l.report(time.Date(y, m-time.Month(back), 1, 0, 0, 0, 0, l.zone), now)
		if left := r.Claim.Until.Sub(now); r.Claim.Verifications > 0 && left > 0 && left <= within {
			due = append(due, r)
		}
	}
	return due
}

func (l *Levels) report(from, now time.Time) Report {
	r := Report{
		Month: from.Format(monthForm), From: from, To: from.AddDate(0, 1, 0), Target: l.cfg.Target,
		Availability: 1, Faults: []Fault{}, Claim: Claim{Until: from.AddDate(0, 1+claimMonths, 0)},
	}
	m := l.period(minuteOf(from), minuteOf(r.To))
	r.Observed, r.Requests, r.Claim.Spared = m.observed(), m.requests, m.spared
	for _, minute := range slices.Sorted(maps.Keys(m.counts)) {
		c := m.counts[minute]
		r.Failed += c.Failed
		if l.judge(c) == unavailable {
			r.Unavailable++
			r.addToFault(timeOf(minute, l.zone), c)
		}
	}
	if soFar := min(minuteOf(now)+1, m.to) - m.from; soFar > 0 {
		r.Availability = float64(soFar-r.Unavailable) / float64(soFar)
	}
	if r.Availability < r.Target {
		for _, f := range r.Faults {
			r.Claim.Verifications += claimFactor * (f.Failed - f.probes)
		}
	}
	return r
}

// addToFault adds an unavailable minute, later than all before.
func (r *Report) addToFault(began time.Time, c count) {
	if last := len(r.Faults) - 1; last < 0 || !r.Faults[last].Ended.Equal(began) {
		r.Faults = append(r.Faults, Fault{Began: began, Kinds: map[string]int64{}, RequestIDs: []string{}})
	}
	f := &r.Faults[len(r.Faults)-1]
	f.Ended = began.Add(time.Minute)
	f.Minutes++
	f.Requests += c.Requests
	f.Failed += c.Failed
	f.Unanswered += c.Unanswered
	f.probes += c.Probes
	addKinds(f.Kinds, c.Kinds)
	f.RequestIDs = append(f.RequestIDs, c.IDs[:min(len(c.IDs), maxIDs-len(f.RequestIDs))]...)
}

// A result is what a minute is judged to be.
type result int

const (
	unseen result = iota // no request was made in it: counts as available
	available
	unavailable
)

var resultNames = [...]string{unseen: "unseen", available: "available", unavailable: "unavailable"}

func (l *Levels) judge(c count) result {
	switch {
	case c.Requests == 0:
		return unseen
	case float64(c.Failed)/float64(c.Requests) > l.cfg.MinuteErrorRate:
		return unavailable
	}
	return available
}

// A period is what all instances saw between two minutes.
type period struct {
	from, to int64
	seen     map[int64]bool  // minutes in which there were requests
	counts   map[int64]count // of minutes in which there was more
	requests int64
	spared   int64
}

func (p *period) observed() int64 { return int64(len(p.seen)) }

// period adds up what is known, minute by minute.
func (l *Levels) period(from, to int64) *period {
	p := &period{from: from, to: to, seen: map[int64]bool{}, counts: map[int64]count{}}
	days := l.days(from, to)
	for _, d := range days {
		p.addSeen(d)
		p.addFailed(d)
	}
	for _, d := range days {
		p.addPlain(d)
	}
	return p
}

// days are all that may have minutes of the period.
func (l *Levels) days(from, to int64) (days []*day) {
	var texts [][]byte
	l.mu.Lock()
	l.settle(time.Now())
	for name, k := range l.kept {
		if name.first > from-maxDay && name.first < to {
			texts = append(texts, k.text)
		}
	}
	l.mu.Unlock()
	for _, text := range texts {
		if d, err := decode(text); err == nil { // it was read or made here
			days = append(days, d)
		}
	}
	return days
}

func (p *period) has(minute int64) bool { return minute >= p.from && minute < p.to }

// addSeen adds what is known of a day that is summed up. Where the zone was another
// then, its sum is of the month in which it began.
func (p *period) addSeen(d *day) {
	for minute := d.first; minute < d.first+maxDay; minute++ {
		if p.has(minute) && d.has(minute) {
			p.seen[minute] = true
		}
	}
	if p.has(d.first) {
		p.requests += d.summed
		p.spared += d.spared
	}
}

func (p *period) addFailed(d *day) {
	for minute, c := range d.counts {
		if p.has(minute) && c.Failed > 0 {
			p.counts[minute] = p.counts[minute].plus(c)
			p.requests += c.Requests
			p.spared += c.Spared
		}
	}
}

// addPlain adds minutes in which nothing failed here, but perhaps elsewhere.
func (p *period) addPlain(d *day) {
	for minute, c := range d.counts {
		if !p.has(minute) || c.Failed > 0 {
			continue
		}
		p.requests += c.Requests
		p.spared += c.Spared
		if all, failed := p.counts[minute]; failed {
			p.counts[minute] = all.plus(c)
		}
	}
}
