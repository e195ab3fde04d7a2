package admin

import "strings"

// A Scene is what a scene does with users whom nobody can verify.
type Scene struct {
	Name     string
	Degraded string // allow, challenge or deny
	Budget   string // of allow, as "10/m an address, 200/s in all, for 15m"; "" for none
	Over     string // what it does beyond it: challenge or deny
}

// doings are the actions in the words of the demonstration.
var doings = map[string]string{"allow": "let through", "challenge": "asked for the challenge", "deny": "denied"}

// does says what becomes of the scene's users.
func (s Scene) does() string {
	text := s.Name + ": " + doings[s.Degraded]
	if s.Degraded == "allow" && s.Budget != "" {
		text += " within " + s.Budget + ", beyond it " + doings[s.Over]
	}
	return text
}

// does says what becomes of users of all scenes whom nobody can verify.
func does(scenes []Scene) string {
	texts := make([]string, len(scenes))
	for i, s := range scenes {
		texts[i] = s.Name + ": " + doings[s.Degraded]
	}
	return strings.Join(texts, "; ")
}
