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

// gets says what users of all scenes get whom nobody can verify: "the challenge in login,
// denied in payment".
func gets(scenes []Scene) string {
	var parts []string
	for _, what := range []struct{ action, text string }{{"allow", "let through"}, {"challenge", "the challenge"}, {"deny", "denied"}} {
		var names []string
		for _, s := range scenes {
			if s.Degraded == what.action {
				names = append(names, s.Name)
			}
		}
		if names != nil {
			parts = append(parts, what.text+" in "+strings.Join(names, " and "))
		}
	}
	return strings.Join(parts, ", ")
}
