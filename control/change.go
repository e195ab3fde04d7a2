package control

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxReason is the longest reason, in bytes.
const maxReason = 256

// A Change is what an operator asks for. Without a scene it moves the switch;
// with one it begins (Degraded) or ends (Auto) that scene's drill.
type Change struct {
	Mode   Mode
	Reason string        // required
	For    time.Duration // how long; 0 = until changed
	Scene  string        // "" = the switch
	Share  *float64      // of the scene's users, 0..1; nil = all
	Actor  string        // who asks
}

// A Mistake is one thing wrong in a Change.
type Mistake struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Mistakes is everything wrong in a Change, as an error.
type Mistakes []Mistake

// Error says all of them.
func (m Mistakes) Error() string {
	parts := make([]string, len(m))
	for i, mistake := range m {
		parts[i] = mistake.Field + ": " + mistake.Detail
	}
	return strings.Join(parts, "; ")
}

// Validate returns everything wrong in ch if these scenes exist, or nil.
func (ch Change) Validate(scenes []string) Mistakes {
	var wrong Mistakes
	add := func(field, format string, args ...any) {
		wrong = append(wrong, Mistake{field, fmt.Sprintf(format, args...)})
	}
	if ch.Mode < Auto || ch.Mode > Normal {
		add("mode", "must be auto, degraded or normal")
	}
	if detail := reasonMistake(ch.Reason); detail != "" {
		add("reason", "%s", detail)
	}
	if ch.For < 0 {
		add("for", "must be longer than 0, is %v", ch.For)
	} else if ch.For > 0 && ch.Mode == Auto {
		add("for", "goes with degraded and normal only: auto ends them")
	}
	if ch.Scene != "" && !slices.Contains(scenes, ch.Scene) {
		add("scene", "%.64q is not configured; there are: %s", ch.Scene, strings.Join(scenes, ", "))
	}
	if ch.Scene != "" && ch.Mode == Normal {
		add("mode", "a scene's drill is degraded, or auto to end it; normal goes for all scenes, without scene")
	}
	ch.validateShare(add)
	return wrong
}

func (ch Change) validateShare(add func(field, format string, args ...any)) {
	switch {
	case ch.Share == nil:
	case ch.Mode != Degraded:
		add("share", "goes with degraded only")
	case ch.Scene == "":
		add("share", "is of one scene's users; name the scene")
	case !(*ch.Share >= 0 && *ch.Share <= 1): // NaN too
		add("share", "must be between 0 and 1, is %v", *ch.Share)
	}
}

func reasonMistake(reason string) string {
	switch {
	case strings.TrimSpace(reason) == "":
		return "is required: say why, for those who read the audit"
	case len(reason) > maxReason:
		return fmt.Sprintf("may have %d bytes, has %d", maxReason, len(reason))
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, misleads):
		return "must be one line of text, without characters that turn its direction"
	default:
		return ""
	}
}

// misleads reports whether r can have a line be read as another one: as a control character
// does in a terminal, or a separator of lines, an embedding, an override or an isolate of
// Unicode's bidirectional text anywhere.
func misleads(r rune) bool {
	return unicode.IsControl(r) || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}
