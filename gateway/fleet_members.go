package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"captchagate/admin"
	"captchagate/config"
	"captchagate/fleet"
)

// about is what the others see of an instance. Those of other versions may know less or
// more.
type about struct {
	Host     string            `json:"host"`
	Listen   string            `json:"listen"`
	Version  string            `json:"version"`
	State    string            `json:"state"`
	Since    time.Time         `json:"since"` // of the state
	ClockLag int64             `json:"clock_lag_ms"`
	Digests  map[string]string `json:"digests"`
	Switch   *heldSwitch       `json:"switch"` // nil from a version that does not tell
}

// A heldSwitch says which switch an instance goes by.
type heldSwitch struct {
	Version uint64 `json:"version"`
	Name    string `json:"name"`
}

// About is what the others see of this instance.
func (g *group) About() []byte {
	offset, _ := g.member.Offset()
	b := g.breaker.Status()
	version, name := g.held()
	text, _ := json.Marshal(about{plain(g.host), plain(g.listen), Version(), b.State.String(), b.Since, -offset.Milliseconds(), g.digests, &heldSwitch{version, name}}) // texts and numbers
	return text
}

// mostName bounds what an instance calls itself, in bytes.
const mostName = 64

// plain is a name as others may show it: whoever can write to Redis may have made it.
func plain(name string) string {
	name = strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, name)
	return name[:min(len(name), mostName)]
}

func readAbout(s fleet.Seen) (a about) {
	_ = json.Unmarshal(s.About, &a) // another version's may have less
	return a
}

// digests name what sections say without telling it.
func digests(cfg config.Config, key []byte) map[string]string {
	of := func(section any) string {
		text, _ := json.Marshal(section) // configuration is texts and numbers
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return hex.EncodeToString(mac.Sum(nil)[:6])
	}
	return map[string]string{
		"challenge.secret": of(cfg.Challenge.Secret), "scenes": of(cfg.Scenes), "upstream.apps": of(cfg.Upstream.Apps),
		"breaker": of(cfg.Breaker),
	}
}

// status is the fleet and its instances as operators see them.
func (g *group) status() (*admin.Fleet, []admin.Replica) {
	v, up := g.member.Status()
	f := &admin.Fleet{Alive: v.Alive, Ill: v.Ill, State: v.Circuit.State.String(), Redis: "down", Trouble: g.troubles.texts()}
	if up {
		f.Redis = "up"
	} else if heard := g.member.Heard(); !heard.IsZero() {
		f.RedisSince = &heard
	} else {
		f.RedisSince = g.troubles.since(troubleRedis)
	}
	replicas := []admin.Replica{}
	seen, passed := g.members(time.Second)
	for _, s := range seen {
		a := readAbout(s)
		replicas = append(replicas, admin.Replica{
			ID: s.ID, This: s.ID == g.member.ID(), Host: plain(a.Host), Listen: plain(a.Listen), Version: plain(a.Version), State: plain(a.State), Since: a.Since,
			AgeMS: (s.Age + passed).Milliseconds(), ClockLagMS: a.ClockLag,
		})
	}
	slices.SortFunc(replicas, func(a, b admin.Replica) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return f, replicas
}

// members are the instances, looked at no longer ago than that if Redis answers, and
// how long ago that was.
func (g *group) members(since time.Duration) (seen []fleet.Seen, passed time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, up := g.member.Status(); up && (g.at.IsZero() || time.Since(g.at) > since) {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if now, err := g.member.Members(ctx); err == nil {
			g.seen, g.at = now, time.Now()
		}
	}
	return g.seen, time.Since(g.at)
}
