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
		three   = "instances: 3\n"
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
		{"a shadow of several and of users who cannot be compared", healthy + useful + "shadow: true\ninstances: 2\nusers: {valid: 1, retry: 1}", []string{"scenes: must be one with shadow", "instances: does not go with shadow", "users.retry: does not go with shadow"}},
		{"what only a shadow has", healthy + "objectives: [as directly >= 100%]", []string{"objectives[0]: needs shadow: true"}},
		{"left killed", healthy + useful + "steps: [{at: 0s, kill: gateway}]", []string{"steps: leave the gateway killed"}},
		{"killed when all is over", healthy + useful + "steps: [{at: 1m, kill: gateway}]", []string{"steps[0].at: must lie within the phases (0s to 2s), is 1m0s"}},
		{"started when all is over", healthy + useful + "steps: [{at: 1s, kill: gateway}, {at: 1m, start: gateway}]", []string{"steps[1].at: must lie within the phases (0s to 2s), is 1m0s"}},
		{"killed too late, and started", healthy + useful + "steps: [{at: 1m, kill: gateway}, {at: 2s, start: gateway}]", []string{"steps[0].at: must lie within the phases"}},
		{"left killed, and a script too late", healthy + useful + "steps: [{at: 1s, kill: gateway}, {at: 1m, script: ok}]", []string{"steps[1].at: must lie within the phases", "steps: leave the gateway killed"}},
		{"killed twice", healthy + useful + "steps: [{at: 0s, kill: gateway}, {at: 1s, kill: gateway}, {at: 2s, start: gateway}]", []string{"steps[1].kill: kills a gateway that was killed before"}},
		{"started while it runs", healthy + useful + "steps: [{at: 0s, start: gateway}]", []string{"steps[0].start: starts a gateway that runs"}},
		{"one instance of one", healthy + useful + "steps: [{at: 0s, kill: {instance: 1}}]", []string{"steps[0].kill: must be gateway, for there is one; give instances, such as instances: 3"}},
		{"nobody to say which", three + healthy + useful + "steps: [{at: 0s, kill: gateway}]", []string{"steps[0].kill: must be {instance: N} with N from 1 to 3"}},
		{"one too many", three + useful + "phases: [{name: only, for: 2s, rate: 10/s, kill: {instance: 4}}]", []string{"phases[0].kill: must be {instance: N} with N from 1 to 3"}},
		{"a typing mistake for instance", three + healthy + useful + "steps: [{at: 0s, kill: {instanc: 2}}, {at: 1s, start: {instance: 2}}]", []string{"steps[0].kill.instanc: is not a key; did you mean instance?"}},
		{"an instance killed twice", three + useful + "phases: [{name: only, for: 2s, rate: 10/s, kill: {instance: 2}}]\nsteps: [{at: 1s, kill: {instance: 2}}]", []string{"steps[0].kill: kills an instance that was killed before"}},
		{"an instance that runs is started", three + useful + "phases: [{name: only, for: 2s, rate: 10/s, kill: {instance: 2}}]\nsteps: [{at: 1s, start: {instance: 1}}]", []string{"steps[0].start: starts an instance that runs"}},
		{"all left killed", "instances: 2\n" + useful + "phases: [{name: only, for: 2s, rate: 10/s, kill: {instance: 1}}, {name: two, for: 1s, rate: 1/s, kill: {instance: 2}}]", []string{"steps: leave every instance killed; start one again"}},
		{"no fleet at all", "instances: 0\nbalance: [1]\n" + healthy + useful, []string{"instances: must be between 1 and 9, is 0"}},
		{"too large a fleet", "instances: 10\n" + healthy + useful, []string{"instances: must be between 1 and 9, is 10"}},
		{"a balance for others", three + "balance: [80, 20]\n" + healthy + useful, []string{"balance: must have a weight for each of the 3 instances, such as [80, 15, 5] for 3, has 2"}},
		{"a balance of nothing", three + "balance: [80, 20, 0]\n" + healthy + useful, []string{"balance: must have weights over 0, has 0; leave the instance out"}},
		{"something about Redis", "redis: {port: 1}\n" + healthy + useful, []string{"redis.port: is not a key; there are none here"}},
		{"no fault of Redis", useful + "phases: [{name: only, for: 2s, rate: 10/s, redis: {fault: stopp, for: 1s}}]", []string{`phases[0].redis.fault: is no fault of Redis: "stopp"; did you mean stop?`}},
		{"a fault of Redis that lasts too long", useful + "phases: [{name: only, for: 2s, rate: 10/s, redis: {fault: stop, for: 3s}}]", []string{"phases[0].redis.for: must end with the last phase, in 2s, is 3s"}},
		{"one that does not say how long", healthy + useful + "steps: [{at: 1s, redis: {fault: kill}}]", []string{"steps[0].redis.for: must be over 0s, is 0s"}},
		{"one that is over at once", healthy + useful + "steps: [{at: 1s, redis: {fault: flush, for: 1s}}]", []string{"steps[0].redis.for: is for stop, kill and slow; flush is over at once"}},
		{"two at once", useful + "phases: [{name: only, for: 2s, rate: 10/s, redis: {fault: stop}}]\nsteps: [{at: 1s, redis: {fault: flush}}, {at: 2s, redis: {fault: flush}}]", []string{"steps[0].redis: comes while another fault of Redis lasts, until 2s"}},
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
		{"useful >= 100%", "usful >= 100%", "did you mean useful? Here are apart from directly p99, as directly, attempts per request, "},
		{"useful >= 100%", "p98 in outage <= 1s", "did you mean p90? Here are apart from directly p99, as directly, attempts per request, "},
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
