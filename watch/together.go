package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"
)

const (
	togetherBucket = "incidents-of-fleet"
	// atOnce is how far apart the incidents of two instances may lie that are one.
	atOnce = 2 * time.Second
	// silentFor is how long an instance may say nothing of an incident that goes on.
	silentFor = 2 * time.Minute
	// maxTold bounds what is kept of other instances.
	maxTold = 1000
)

// A Told is an incident as one instance of a fleet saw it. Those of several instances that
// lie together in time are one outage.
type Told struct {
	Owner    string    `json:"owner"` // the instance
	Seen     time.Time `json:"seen"`  // it said so then
	Incident Incident  `json:"incident"`
}

// Shifted is t by a clock that is ahead by that much.
func (t Told) Shifted(by time.Duration) Told {
	t.Seen, t.Incident = t.Seen.Add(by), t.Incident.clone()
	t.Incident.Began, t.Incident.Ended = t.Incident.Began.Add(by), shifted(t.Incident.Ended, by)
	for n, p := range t.Incident.Parts {
		t.Incident.Parts[n].Began, t.Incident.Parts[n].Ended = p.Began.Add(by), shifted(p.Ended, by)
	}
	return t
}

func shifted(at *time.Time, by time.Duration) *time.Time {
	if at == nil {
		return nil
	}
	return new(at.Add(by))
}

func (t Told) name() string { return t.Owner + "/" + t.Incident.ID }

// settled is what t says at a time: who has said nothing for long says nothing any more,
// and others wait for what it had to ask again.
func (t Told) settled(now time.Time) Incident {
	i := t.Incident.clone()
	if now.Sub(t.Seen) <= silentFor {
		return i
	}
	if i.Ended == nil {
		i.Ended, i.Interrupted = &t.Seen, true
		for n := range i.Parts {
			if i.Parts[n].Ended == nil {
				i.Parts[n].Ended = &t.Seen
			}
		}
	}
	i.Reverified.Waiting = 0
	return i
}

// Own are the incidents that this instance saw since then, oldest first.
func (is *Incidents) Own(since time.Time) []Incident {
	is.mu.Lock()
	defer is.mu.Unlock()
	own := []Incident{}
	for _, r := range is.records {
		if i := r.snapshot(); i.Ended == nil || i.Ended.After(since) {
			own = append(own, i)
		}
	}
	return own
}

// Recount takes over how re-verification stands: what is asked again here for another
// instance counts in the first incident that this one has of the outage.
func (is *Incidents) Recount(counts func(id string) Counts) {
	for _, o := range is.outages() {
		sum, first := Counts{}, ""
		for _, m := range o.members {
			if m.owner == "" {
				first = cmp.Or(first, m.ID)
			}
			sum = sum.plus(counts(m.ID))
		}
		if first != "" {
			is.SetReverified(first, sum)
		}
	}
}

func (c Counts) plus(d Counts) Counts {
	return Counts{c.Waiting + d.Waiting, c.Confirmed + d.Confirmed, c.Refuted + d.Refuted, c.Unverifiable + d.Unverifiable}
}

// Learn takes in what another instance says, in place of what it said before of the same
// incident, and reports whether it is news.
func (is *Incidents) Learn(ctx context.Context, t Told) (news bool, err error) {
	is.mu.Lock()
	was, known := is.told[t.name()]
	news = !known || t.Seen.After(was.Seen) || was.Incident.Ended == nil && t.Incident.Ended != nil
	if news {
		is.told[t.name()] = t
	}
	oldest := ""
	if len(is.told) > maxTold {
		for name, one := range is.told {
			if oldest == "" || one.Incident.ID < is.told[oldest].Incident.ID {
				oldest = name
			}
		}
		delete(is.told, oldest)
	}
	is.mu.Unlock()
	if oldest != "" {
		_ = is.store.Delete(ctx, togetherBucket, oldest) // it is read again once, at the next start
	}
	if !news || oldest == t.name() {
		return false, nil
	}
	text, _ := json.Marshal(t) // strings, numbers, times: cannot fail
	return true, is.store.Put(ctx, togetherBucket, t.name(), text, 0)
}

func (is *Incidents) loadTold(ctx context.Context) error {
	is.told = map[string]Told{}
	found, err := is.store.List(ctx, togetherBucket, 2*maxTold)
	if err != nil {
		return err
	}
	for name, text := range found {
		var t Told
		if json.Unmarshal(text, &t) == nil && t.name() == name {
			is.told[name] = t
		}
	}
	return nil
}

// A member is an incident as one instance saw it; owner is "" for this one.
type member struct {
	Incident

	owner string
}

// An outage is what all instances saw of one.
type outage struct {
	members []member // by their beginning
	ends    time.Time
	goesOn  bool
}

// outages are all that is known, oldest first.
func (is *Incidents) outages() []*outage {
	now := time.Now()
	is.mu.Lock()
	all := make([]member, 0, len(is.records)+len(is.told))
	for _, r := range is.records {
		all = append(all, member{r.snapshot(), ""})
	}
	for _, t := range is.told {
		all = append(all, member{t.settled(now), t.Owner})
	}
	is.mu.Unlock()
	slices.SortFunc(all, func(a, b member) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	var list []*outage
	for _, m := range all {
		if last := len(list) - 1; last >= 0 && list[last].has(m) {
			list[last].add(m)
			continue
		}
		o := &outage{}
		o.add(m)
		list = append(list, o)
	}
	return list
}

// has reports whether m, which began later than all, is of the same outage. One instance
// tells its own apart by itself.
func (o *outage) has(m member) bool {
	return slices.ContainsFunc(o.members, func(other member) bool {
		return other.owner != m.owner && (other.Ended == nil || m.Began.Sub(*other.Ended) <= atOnce)
	})
}

func (o *outage) add(m member) {
	o.members = append(o.members, m)
	if m.Ended == nil {
		o.goesOn = true
	} else if m.Ended.After(o.ends) {
		o.ends = *m.Ended
	}
}

// incident sums an outage up. All instances that know the same give it the same id.
func (o *outage) incident() Incident {
	if len(o.members) == 1 {
		return o.members[0].Incident
	}
	sum := o.members[0].Incident
	sum.Parts, sum.RequestIDs, sum.Ended = nil, []string{}, nil
	if !o.goesOn {
		sum.Ended = &o.ends
	}
	counts, answers := Counts{}, newTally("")
	for _, m := range o.members {
		if m.ID < sum.ID {
			sum.ID = m.ID
		}
		sum.Interrupted = sum.Interrupted || m.Interrupted
		sum.addParts(m.Parts)
		answers.restore(m.Incident)
		sum.addQuotes(m.RequestIDs)
		counts = counts.plus(m.Reverified.Counts)
	}
	slices.SortStableFunc(sum.Parts, func(a, b Part) int { return a.Began.Compare(b.Began) })
	answers.tell(&sum)
	sum.Reverified = counts.shares()
	return sum
}

// addQuotes adds what another instance has to quote.
func (i *Incident) addQuotes(ids []string) {
	for _, id := range ids {
		if len(i.RequestIDs) < maxQuoted && !slices.Contains(i.RequestIDs, id) {
			i.RequestIDs = append(i.RequestIDs, id)
		}
	}
}

// addParts adds what another instance saw: parts of a kind that lie together are one.
func (i *Incident) addParts(parts []Part) {
	for _, p := range parts {
		n := slices.IndexFunc(i.Parts, func(q Part) bool {
			return q.Kind == p.Kind && (q.Ended == nil || p.Began.Sub(*q.Ended) <= atOnce) && (p.Ended == nil || q.Began.Sub(*p.Ended) <= atOnce)
		})
		if n < 0 {
			i.Parts = append(i.Parts, p)
			continue
		}
		q := &i.Parts[n]
		if p.Began.Before(q.Began) {
			q.Began, q.Evidence = p.Began, p.Evidence
		}
		if p.Ended == nil || q.Ended != nil && p.Ended.After(*q.Ended) {
			q.Ended = p.Ended
		}
	}
}
