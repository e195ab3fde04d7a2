package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	"captchagate/fleet"
	"captchagate/watch"
)

const (
	// incidentsQueue is where all instances leave theirs.
	incidentsQueue = "incidents"
	// incidentsLife is how long they are told of one.
	incidentsLife = 24 * time.Hour
	// tellIncidentsEvery is how often they tell what changed.
	tellIncidentsEvery = 2 * time.Second
	// gatherAfter is how long after the end at one instance an outage is summed up: by
	// then the others have told theirs.
	gatherAfter = 3 * tellIncidentsEvery
	// readIncidentsEvery is how often others' are read while there is no outage.
	readIncidentsEvery = time.Minute
)

// An incidentBoard is where instances leave their incidents.
type incidentBoard interface {
	claimer
	Keep(ctx context.Context, owner string, records []fleet.Record) error
	All(ctx context.Context, owner string) ([]fleet.Record, error)
}

// sharedIncidents has the instances of a fleet know what each saw of an outage.
type sharedIncidents struct {
	board     incidentBoard
	owner     string // of this instance's
	key       mac
	incidents *watch.Incidents
	counts    func(incident string) watch.Counts // of what is asked again here
	fleet     func() (gen int64, alive int, offset time.Duration, up bool)
	sumUp     func(i watch.Incident, forAll bool)
	log       *slog.Logger
	ended     chan watch.Incident

	// Of Run alone:
	told map[string]string // what the board has, by name
	gen  int64
	read time.Time
	ends []ending
}

type ending struct {
	incident watch.Incident
	at       time.Time
}

// Run tells and reads until ctx ends.
func (s *sharedIncidents) Run(ctx context.Context) {
	ticks := time.NewTicker(tellIncidentsEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case i := <-s.ended:
			s.ends = append(s.ends, ending{i, time.Now()})
			continue
		case <-ticks.C:
		}
		s.exchange(ctx)
		s.gather(ctx)
	}
}

// over notes that an incident is over here. It does not block: nobody has hundreds.
func (s *sharedIncidents) over(i watch.Incident) {
	select {
	case s.ended <- i:
	default:
		s.sumUp(i, false)
	}
}

// exchange tells what is new here, and reads what others told.
func (s *sharedIncidents) exchange(ctx context.Context) {
	gen, alive, offset, up := s.fleet()
	if !up {
		return
	}
	if gen != s.gen {
		s.gen, s.told, s.read = gen, map[string]string{}, time.Time{}
	}
	s.incidents.Recount(s.counts)
	own := s.incidents.Own(time.Now().Add(-incidentsLife))
	s.tell(ctx, own, offset)
	every, newest := readIncidentsEvery, s.incidents.List(1)
	if len(s.ends) > 0 || len(newest) > 0 && newest[0].Ended == nil {
		every = time.Duration(alive) * 100 * time.Millisecond
	}
	if time.Since(s.read) >= every {
		s.readAll(ctx, offset)
	}
}

// tell leaves what changed on the board, by its clock.
func (s *sharedIncidents) tell(ctx context.Context, own []watch.Incident, offset time.Duration) {
	var records []fleet.Record
	current := map[string]string{}
	for _, i := range own {
		name := s.owner + "/" + i.ID
		same, _ := json.Marshal(i) // strings, numbers, times: cannot fail
		current[name] = string(same)
		if i.Ended == nil {
			current[name] += time.Now().Truncate(10 * time.Second).String() // a sign of life
		}
		if s.told[name] == current[name] {
			continue
		}
		text, _ := json.Marshal(watch.Told{Owner: s.owner, Seen: time.Now(), Incident: i}.Shifted(offset))
		records = append(records, fleet.Record{Name: name, Value: s.key.seal(text)})
	}
	for name := range s.told {
		if _, stands := current[name]; !stands {
			records = append(records, fleet.Record{Name: name})
		}
	}
	if len(records) > 0 && s.board.Keep(ctx, incidentsQueue, records) == nil {
		s.told = current
	}
}

// readAll takes in what others told, and has the board forget what is old.
func (s *sharedIncidents) readAll(ctx context.Context, offset time.Duration) {
	records, err := s.board.All(ctx, incidentsQueue)
	if err != nil {
		return
	}
	s.read = time.Now()
	var old []fleet.Record
	for _, r := range records {
		if strings.HasPrefix(r.Name, s.owner+"/") {
			continue
		}
		var t watch.Told
		text, err := s.key.open(r.Value)
		if err == nil {
			err = json.Unmarshal(text, &t)
		}
		if err != nil {
			s.log.Warn("an incident of another instance was left out", "error", err)
			continue
		}
		if t = t.Shifted(-offset); time.Since(t.Seen) > incidentsLife {
			old = append(old, fleet.Record{Name: r.Name})
			continue
		}
		if _, err := s.incidents.Learn(ctx, t); err != nil {
			s.log.Warn("an incident of another instance cannot be kept over a restart", "error", err)
		}
	}
	if len(old) > 0 {
		_ = s.board.Keep(ctx, incidentsQueue, old) // or the next time
	}
}

// gather sums up what ended here a while ago, unless one of the others has done it. What
// goes on at others they sum up then; if they die before, this one does.
func (s *sharedIncidents) gather(ctx context.Context) {
	for len(s.ends) > 0 && time.Since(s.ends[0].at) >= gatherAfter {
		i := s.ends[0].incident
		s.ends = s.ends[1:]
		here := i
		if all, ok := s.incidents.Find(i.ID); ok {
			i = all
		}
		switch {
		case slices.ContainsFunc(s.ends, func(later ending) bool { return s.outage(later.incident) == i.ID }):
			continue // with that one
		case i.Ended == nil:
			s.ends = append(s.ends, ending{here, time.Now()})
			continue
		}
		got, err := s.board.Claim(ctx, fleet.Claim{Key: "incident", Own: "fleet", Question: "incident:" + i.ID, ID: rand.Text(), Life: time.Hour, Kept: time.Hour})
		if err != nil || got.Standing == fleet.Yours {
			s.sumUp(i, err == nil)
		}
	}
}

// outage is the id by which all name an incident of this instance.
func (s *sharedIncidents) outage(i watch.Incident) string {
	if all, ok := s.incidents.Find(i.ID); ok {
		return all.ID
	}
	return i.ID
}

// shareIncidents has the instances of the fleet know each other's.
func (g *group) shareIncidents(incidents *watch.Incidents, events *recorder) {
	if g == nil {
		return
	}
	g.incidents = &sharedIncidents{
		board: g.board, owner: g.keeper.owner, key: g.secret.Key("incidents"), incidents: incidents, counts: events.counts,
		sumUp: events.sumUp, log: g.log, ended: make(chan watch.Incident, 16), told: map[string]string{},
		fleet: func() (gen int64, alive int, offset time.Duration, up bool) {
			v, up := g.member.Status()
			offset, _ = g.member.Offset()
			return v.Gen, v.Alive, offset, up
		},
	}
	events.over = g.incidents.over
}
