package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"time"

	"captchagate/fleet"
	"captchagate/sla"
)

const (
	// tellLevelsEvery is how often an instance tells what it counted.
	tellLevelsEvery = 2 * time.Second
	// readAllLevelsEvery is how often it reads what others told of days long past: they
	// may have been away.
	readAllLevelsEvery = time.Hour
	dateOfLevels       = 24 * time.Hour
)

// A levelsBoard is where instances leave what they counted for service levels.
type levelsBoard interface {
	KeepFor(ctx context.Context, owner string, records []fleet.Record, life time.Duration) error
	All(ctx context.Context, owner string) ([]fleet.Record, error)
}

// sharedLevels has the instances of a fleet know what each counted, day by day. Each keeps
// what it knows; a board that was lost gets it again from any of them.
type sharedLevels struct {
	board  levelsBoard
	owner  string // of this instance's days
	key    mac
	levels *sla.Levels
	fleet  func() (gen int64, alive int, offset time.Duration, up bool)
	log    *slog.Logger

	// Of Run alone:
	gen           int64
	told          map[string]int64 // the versions of days that the board has, by their names
	read, readAll time.Time
}

// Run tells and reads until ctx ends.
func (s *sharedLevels) Run(ctx context.Context) {
	ticks := time.NewTicker(tellLevelsEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			s.tell(last, s.levels.Days(false))
			return
		case <-ticks.C:
		}
		s.exchange(ctx)
	}
}

// exchange tells what is new here, and reads what is new elsewhere.
func (s *sharedLevels) exchange(ctx context.Context) {
	gen, alive, offset, up := s.fleet()
	if !up {
		s.readAll = time.Time{} // others go on telling what they counted meanwhile
		return
	}
	if gen != s.gen {
		s.gen, s.told, s.readAll = gen, map[string]int64{}, time.Time{}
	}
	s.levels.SetOffset(offset)
	now := time.Now().Add(offset)
	switch {
	case time.Since(s.readAll) >= readAllLevelsEvery:
		if s.readFrom(ctx, now.Add(-sla.KeptFor), now) {
			s.read, s.readAll = time.Now(), time.Now()
			s.tell(ctx, s.levels.Days(true))
		}
	case time.Since(s.read) >= time.Duration(alive)*time.Second:
		if s.readFrom(ctx, now.Add(-2*dateOfLevels), now) {
			s.read = time.Now()
		}
	}
	s.tell(ctx, s.levels.Days(false))
}

// levelsQueue is where days are told of that began on a date of UTC.
func levelsQueue(at time.Time) string { return "sla/" + at.UTC().Format(time.DateOnly) }

// tell leaves days on the board that it has not.
func (s *sharedLevels) tell(ctx context.Context, days []sla.Day) {
	queues, versions := map[string][]fleet.Record{}, map[string]int64{}
	for _, d := range days {
		if d.Owner == "" {
			d.Owner = s.owner
		}
		name := d.Owner + "/" + strconv.FormatInt(d.First, 10)
		if s.told[name] >= d.Version {
			continue
		}
		queue := levelsQueue(time.Unix(d.First*60, 0))
		queues[queue] = append(queues[queue], fleet.Record{Name: name, Value: s.key.seal([]byte(d.Owner + "\n" + string(d.Text)))})
		versions[name] = d.Version
	}
	for queue, records := range queues {
		if s.board.KeepFor(ctx, queue, records, sla.KeptFor) != nil {
			return // or the next time
		}
		for _, r := range records {
			s.told[r.Name] = versions[r.Name]
		}
	}
}

// readFrom takes in what others told of days that began between two times, and reports
// whether all could be read.
func (s *sharedLevels) readFrom(ctx context.Context, from, to time.Time) bool {
	for at := from.Truncate(dateOfLevels); !at.After(to); at = at.Add(dateOfLevels) {
		records, err := s.board.All(ctx, levelsQueue(at))
		if err != nil {
			return false
		}
		for _, r := range records {
			s.learn(r)
		}
	}
	return true
}

func (s *sharedLevels) learn(r fleet.Record) {
	text, err := s.key.open(r.Value)
	owner, day, _ := bytes.Cut(text, []byte("\n"))
	if err == nil && string(owner) == s.owner {
		return
	}
	var d sla.Day
	if err == nil {
		d, err = s.levels.Learn(string(owner), day)
	}
	if err != nil {
		s.log.Warn("what another instance counted for service levels was left out", "error", err)
		return
	}
	name := d.Owner + "/" + strconv.FormatInt(d.First, 10)
	s.told[name] = max(s.told[name], d.Version)
}

// shareLevels has the instances of the fleet know each other's.
func (g *group) shareLevels(levels *sla.Levels) {
	if g == nil {
		return
	}
	levels.Share()
	g.levels = &sharedLevels{
		board: g.board, owner: g.keeper.owner, key: g.secret.Key("sla"), levels: levels, log: g.log, told: map[string]int64{},
		fleet: func() (gen int64, alive int, offset time.Duration, up bool) {
			v, up := g.member.Status()
			offset, _ = g.member.Offset()
			return v.Gen, v.Alive, offset, up
		},
	}
}
