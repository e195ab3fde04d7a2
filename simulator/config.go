package simulator

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"
)

// The account and the app of a simulator that was told nothing else.
const (
	DefaultSecretID            = "AKIDSIMULATOR"
	DefaultSecretKey           = "simulator-secret-key"
	DefaultAppID        uint64 = 190000001
	DefaultAppSecretKey        = "simulator-app-secret-key"
)

// Times of a healthy API.
const (
	DefaultLatency               = 20 * time.Millisecond
	NoLatency      time.Duration = -1              // for Config.Latency: answer at once
	TicketLife                   = 5 * time.Minute // how long a ticket is accepted
)

// Config says whose Captcha API this is and how quick. The zero value is
// usable.
type Config struct {
	SecretID  string            // default DefaultSecretID
	SecretKey string            // default DefaultSecretKey
	Apps      map[uint64]string // CaptchaAppId to AppSecretKey; default DefaultAppID's

	Latency time.Duration // of every answer; 0 = DefaultLatency, NoLatency = none
	Jitter  time.Duration // at most this much on top, drawn evenly; 0 = none

	// Capacity is how many calls a second the API can work off; those above
	// wait in one queue, first in, first out, and take their turn even if
	// the caller has left. 0 = unlimited.
	Capacity float64

	// The way to what Serve listens on; ServeControls has none of it.
	RoundTrip time.Duration // of each exchange over a connection, on top of Latency; TLS and connecting have their own
	IdleClose time.Duration // after which an idle connection is closed; 0 = 5 min
	TLS       *tls.Config   // nil = plain HTTP

	Seed uint64       // of shares and jitter; 0 = another one in each run
	Log  *slog.Logger // nil = no log
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	if (c.SecretID == "") != (c.SecretKey == "") {
		add("secret_id: secret_id and secret_key belong together; give both or neither")
	}
	for _, id := range slices.Sorted(maps.Keys(c.Apps)) {
		if id == 0 {
			add("apps: an app's id must not be 0")
		}
		if c.Apps[id] == "" {
			add("apps: the AppSecretKey of %d is empty", id)
		}
	}
	if c.Latency < 0 && c.Latency != NoLatency {
		add("latency: must not be negative, is %v", c.Latency)
	}
	if c.Jitter < 0 {
		add("jitter: must not be negative, is %v", c.Jitter)
	}
	if c.RoundTrip < 0 || c.IdleClose < 0 {
		add("round_trip: round_trip and idle_close must not be negative, are %v and %v", c.RoundTrip, c.IdleClose)
	}
	if c.Capacity < 0 || math.IsNaN(c.Capacity) || math.IsInf(c.Capacity, 0) {
		add("capacity: must be 0 (unlimited) or calls a second, is %v", c.Capacity)
	}
	return errors.Join(mistakes...)
}

func (c Config) withDefaults() Config {
	if c.SecretID == "" && c.SecretKey == "" {
		c.SecretID, c.SecretKey = DefaultSecretID, DefaultSecretKey
	}
	if len(c.Apps) == 0 {
		c.Apps = map[uint64]string{DefaultAppID: DefaultAppSecretKey}
	}
	c.Apps = maps.Clone(c.Apps)
	switch {
	case c.Latency == 0:
		c.Latency = DefaultLatency
	case c.Latency < 0:
		c.Latency = 0
	}
	if c.IdleClose == 0 {
		c.IdleClose = 5 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// firstApp is the app of tickets for which none was named: the lowest id.
func (c Config) firstApp() uint64 {
	return slices.Min(slices.Collect(maps.Keys(c.Apps)))
}
