package scenario_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"captchagate/loadtest/scenario"
)

// What somebody wrote wrongly is told once: nothing is blamed on what stands
// right beside it, and nothing right is called wrong because of it.
func TestRead_TellsAMistakeOnce(t *testing.T) {
	const (
		healthy = "phases: [{name: only, for: 2s, rate: 10/s}]\n"
		useful  = "objectives: [useful >= 100%]\n"
	)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"kills what is not there", healthy + useful + "steps: [{at: 0s, kill: api}]", []string{`steps[0].kill: must be gateway, for nothing else can be killed; is "api"`}},
		{"and starts it again", healthy + useful + "steps: [{at: 0s, kill: api}, {at: 1s, start: gateway}]", []string{"steps[0].kill: must be gateway"}},
		{"starts what is not there", healthy + useful + "steps: [{at: 0s, kill: gateway}, {at: 1s, start: api}]", []string{"steps[1].start: must be gateway"}},
		{"a typing mistake for kill", healthy + useful + "steps: [{at: 0s, kil: gateway}, {at: 1s, start: gateway}]", []string{"steps[0].kil: is not a key; did you mean kill?"}},
		{"a kill that is a list", healthy + useful + "steps: [{at: 0s, kill: [gateway]}, {at: 1s, start: gateway}]", []string{"steps[0].kill: must be a single value"}},
		{"a step that is a word", healthy + useful + "steps: [kill]", []string{"steps[0]: must be a mapping"}},
		{"a step too late, and one behind it", healthy + useful + "steps: [{at: 1m, script: ok}, {at: 1s, script: ok}]", []string{"steps[0].at: must lie within the phases (0s to 2s), is 1m0s"}},
		{"a phase of no known length, and a step", "phases: [{name: only, for: long, rate: 10/s}]\n" + useful + "steps: [{at: 1m, script: ok}]", []string{"phases[0].for: must be a duration"}},
		{"a typing mistake for name", "phases: [{nam: only, for: 2s, rate: 10/s}]\nobjectives: [useful in only >= 100%]", []string{"phases[0].nam: is not a key; did you mean name?"}},
		{"a typing mistake for fault", "phases: [{name: only, for: 2s, rate: 10/s, falt: {kind: hang}}]\nobjectives: [opens after <= 1s]", []string{"phases[0].falt: is not a key; did you mean fault?"}},
		{"no phases at all", "objectives: [useful in only >= 100%, opens after <= 1s]", []string{"phases: is missing"}},
		{"left killed", healthy + useful + "steps: [{at: 0s, kill: gateway}]", []string{"steps: leave the gateway killed"}},
		{"killed when all is over", healthy + useful + "steps: [{at: 1m, kill: gateway}]", []string{"steps[0].at: must lie within the phases (0s to 2s), is 1m0s"}},
		{"started when all is over", healthy + useful + "steps: [{at: 1s, kill: gateway}, {at: 1m, start: gateway}]", []string{"steps[1].at: must lie within the phases (0s to 2s), is 1m0s"}},
		{"killed too late, and started", healthy + useful + "steps: [{at: 1m, kill: gateway}, {at: 2s, start: gateway}]", []string{"steps[0].at: must lie within the phases"}},
		{"left killed, and a script too late", healthy + useful + "steps: [{at: 1s, kill: gateway}, {at: 1m, script: ok}]", []string{"steps[1].at: must lie within the phases", "steps: leave the gateway killed"}},
		{"killed twice", healthy + useful + "steps: [{at: 0s, kill: gateway}, {at: 1s, kill: gateway}, {at: 2s, start: gateway}]", []string{"steps[1].kill: kills a gateway that was killed before"}},
		{"started while it runs", healthy + useful + "steps: [{at: 0s, start: gateway}]", []string{"steps[0].start: starts a gateway that runs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := scenario.Read("x.yaml", []byte("name: x\ntitle: x\n"+c.text))
			if err == nil {
				t.Fatal("it was read")
			}
			if got := strings.Split(err.Error(), "\n"); !slices.EqualFunc(got, c.want, strings.Contains) {
				t.Errorf("it says\n%v\nwant\n%s", err, strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestRead_GuessesWhatWasMeant(t *testing.T) {
	for _, c := range []struct{ old, wrong, want string }{
		{"title:", "titel:", "titel: is not a key; did you mean title?"},
		{"rate:", "rat:", "phases[0].rat: is not a key; did you mean rate?"},
		{"kind: hang", "kind: hnag", `phases[0].fault.kind: is no fault of the simulator: "hnag"; did you mean hang?`},
		{"kind: hang", "kind: earthquake", "phases[0].fault.kind: must be one of none, hang, "},
		{"useful >= 100%", "usful >= 100%", "did you mean useful? Here are attempts per request, "},
		{"useful >= 100%", "p98 in outage <= 1s", "did you mean p90? Here are attempts per request, "},
		{"useful >= 100%", "open after <= 1s", "did you mean opens after? Here are "},
		{"useful >= 100%", "useful in outge >= 100%", `names the phase "outge", which there is not; did you mean outage?`},
		{"useful >= 100%", "useful in the night >= 100%", `names the phase "the night", which there is not; here are outage`},
		{"valid:", "vaild:", "users.vaild: is not known; did you mean valid?"},
	} {
		t.Run(c.wrong, func(t *testing.T) {
			const text = "name: x\ntitle: x\nusers: {valid: 1}\nphases: [{name: outage, for: 2s, rate: 10/s, fault: {kind: hang}}]\nobjectives: [useful >= 100%]\n"
			_, err := scenario.Read("x.yaml", []byte(strings.Replace(text, c.old, c.wrong, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, want %q", err, c.want)
			}
		})
	}
}

// Who takes one file for the other learns so in a line.
func TestLoad_KnowsAConfigurationOfTheGateway(t *testing.T) {
	for _, name := range []string{"defaults", "gateway", "production", "demo", "compose"} {
		_, err := scenario.Load(filepath.Join("../../configs", name+".yaml"))
		if err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), name+".yaml: looks like a configuration of the gateway") {
			t.Errorf("%s: it says %v", name, err)
		}
	}
}
