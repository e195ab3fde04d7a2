package scenario

import (
	"fmt"
	"strings"

	"captchagate/strictyaml"
)

// kind is what a scenario's file is called in mistakes.
var kind = strictyaml.Kind{Name: "scenario", Sample: "configs/scenarios/hang.yaml"}

// Load reads the scenario at path. The error is strictyaml.Mistakes and holds
// everything that is wrong.
func Load(path string) (Scenario, error) {
	text, err := strictyaml.ReadFile(path)
	if err != nil {
		return Scenario{}, strictyaml.Mistakes{{File: path, Text: err.Error() + "; samples are in configs/scenarios"}}
	}
	return Read(path, text)
}

// Read reads a scenario from text; file is its name in mistakes.
func Read(file string, text []byte) (Scenario, error) {
	doc := strictyaml.Parse(file, text, kind)
	if doc.Has("upstream", "listen", "breaker") && !doc.Has("phases", "objectives") {
		return Scenario{}, strictyaml.Mistakes{{File: file, Text: "looks like a configuration of the gateway and not like a scenario; check it with \"gateway check --config FILE\", or begin a scenario with a copy of configs/scenarios/hang.yaml"}}
	}
	s := defaults()
	doc.Decode(&s, nil)
	s.File, s.Source = file, string(text)
	s.About = strings.TrimSpace(s.About)
	for i := range s.Objectives {
		s.Objectives[i].Line = doc.Line(fmt.Sprintf("objectives[%d]", i))
	}
	doc.Judge(s.check(doc.IsUnread))
	if err := doc.Err(); err != nil {
		return Scenario{}, err
	}
	return s, nil
}
