package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"captchagate/alarms"
	"captchagate/fleet"
)

// alarmsQueue is where all instances leave what they told.
const alarmsQueue = "alarms"

// sharedAlarms has one of the instances tell operators what all see.
type sharedAlarms struct {
	board incidentBoard
	owner string // of this instance's queue, over restarts
	key   mac
	ahead func() time.Duration
	up    func() bool
}

var errBoardAway = errors.New("the board is away")

// A toldAlarm is what an instance told, with its name: none can stand for another.
type toldAlarm struct {
	Name string `json:"name"`
	alarms.Told
}

// Told is what was told.
func (s *sharedAlarms) Told(ctx context.Context) (map[alarms.Kind]map[string]alarms.Told, error) {
	if !s.up() {
		return nil, errBoardAway
	}
	records, err := s.board.All(ctx, alarmsQueue)
	if err != nil {
		return nil, err
	}
	all := map[alarms.Kind]map[string]alarms.Told{}
	for _, r := range records {
		var t toldAlarm
		text, err := s.key.open(r.Value)
		if err != nil || json.Unmarshal(text, &t) != nil || t.Name != r.Name {
			continue // no instance wrote it; at worst an alarm is told twice
		}
		kind, about, _ := strings.Cut(t.Name, "/")
		if all[alarms.Kind(kind)] == nil {
			all[alarms.Kind(kind)] = map[string]alarms.Told{}
		}
		all[alarms.Kind(kind)][about] = t.Told
	}
	return all, nil
}

// Claim has this instance be the one that tells of a kind, unless another one is.
func (s *sharedAlarms) Claim(ctx context.Context, k alarms.Kind) (mine bool, err error) {
	got, err := s.board.Claim(ctx, fleet.Claim{Key: "alarm", Own: "fleet", Question: "alarm:" + string(k), ID: s.owner, Life: alarms.ClaimLife, Kept: alarms.ClaimLife})
	return got.Standing == fleet.Yours, err
}

// Tell leaves on the board what was told.
func (s *sharedAlarms) Tell(ctx context.Context, k alarms.Kind, tells map[string]alarms.Told) error {
	var records []fleet.Record
	for about, t := range tells {
		name := string(k) + "/" + about
		text, _ := json.Marshal(toldAlarm{name, t}) // texts and times: cannot fail
		records = append(records, fleet.Record{Name: name, Value: s.key.seal(text)})
	}
	return s.board.Keep(ctx, alarmsQueue, records)
}

// Ahead is the board's clock less this host's.
func (s *sharedAlarms) Ahead() time.Duration { return s.ahead() }

// shareAlarms has the instances of the fleet tell operators once.
func (g *group) shareAlarms(a *alarms.Alarms) {
	if g == nil {
		return
	}
	a.Share(&sharedAlarms{
		board: g.board, owner: g.keeper.owner, key: g.secret.Key("alarms"), ahead: g.ahead,
		up: func() bool { _, up := g.member.Status(); return up },
	})
}
