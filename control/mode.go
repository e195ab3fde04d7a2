package control

import (
	"fmt"
	"time"
)

// Mode is who decides: the breaker, or an operator who forces one of two.
type Mode int

// The modes. The zero value forces nothing.
const (
	Auto     Mode = iota // the breaker decides
	Degraded             // treat the Captcha API as down
	Normal               // never let through or challenge instead of it
)

var modeNames = [...]string{Auto: "auto", Degraded: "degraded", Normal: "normal"}

// String names the mode as the API and the commands do.
func (m Mode) String() string { return modeNames[m] }

// MarshalText writes what UnmarshalText reads.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads auto, degraded or normal.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range modeNames {
		if name == string(text) {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("must be auto, degraded or normal, is %.40q", text)
}

// An Override is the one unscoped switch, if it is not on auto.
type Override struct {
	Mode   Mode       `json:"mode"` // Degraded or Normal
	Reason string     `json:"reason"`
	Actor  string     `json:"actor"`
	Since  time.Time  `json:"since"` // since when this mode is forced
	Until  *time.Time `json:"until"` // nil = until changed
}

// A Drill forces degraded mode on a share of one scene's users.
type Drill struct {
	Scene  string     `json:"scene"`
	Share  float64    `json:"share"` // 0..1
	Reason string     `json:"reason"`
	Actor  string     `json:"actor"`
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until"` // nil = until changed
}

func expired(until *time.Time, now time.Time) bool { return until != nil && !now.Before(*until) }

// untilText ends a sentence of the audit.
func untilText(until *time.Time) string {
	if until == nil {
		return "until changed"
	}
	return "until " + until.Format(time.RFC3339)
}
