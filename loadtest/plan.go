package loadtest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"captchagate/loadtest/scenario"
)

// A request is one user's request: first what was planned, then what came of it.
// Times count from the run's beginning.
type request struct {
	due     time.Duration
	user    string
	scene   string
	address string
	subject string
	ticket  ticket

	sent    time.Duration
	ended   time.Duration
	took    time.Duration // from due, less what the user itself took
	tries   int           // 0 = was not sent
	status  int           // HTTP; 0 = no answer
	answer  *answer
	outcome outcome

	instance int // that it went to, the last time; from 0

	twin     ticket        // of the API that is asked directly
	same     bool          // both got the same answer, or none
	directly time.Duration // how long that one took
}

// A ticket as the simulator issues it.
type ticket struct {
	Ticket  string `json:"ticket"`
	Randstr string `json:"randstr"`
}

// plan draws all requests of a scenario; the same seed draws the same.
func plan(s scenario.Scenario) []request {
	r := rand.New(rand.NewPCG(s.Seed, 0))
	var requests []request
	starts := s.Starts()
	for i, p := range s.Phases {
		users, scenes := newDraw(s.Users), newDraw(s.Scenes)
		if p.Users != nil {
			users = newDraw(p.Users)
		}
		if p.Scenes != nil {
			scenes = newDraw(p.Scenes)
		}
		for _, at := range p.Rate.Times(p.For) {
			requests = append(requests, request{
				due: starts[i] + at, user: users.one(r), scene: scenes.one(r),
				address: address(member(s.Addresses, r)), subject: "account-" + strconv.Itoa(member(s.Subjects, r)),
			})
		}
	}
	return requests
}

// A draw picks names by weight.
type draw struct {
	names []string
	upTo  []float64 // sums of the weights
}

func newDraw(w scenario.Weights) draw {
	var d draw
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if w[name] > 0 {
			sum += w[name]
			d.names, d.upTo = append(d.names, name), append(d.upTo, sum)
		}
	}
	return d
}

func (d draw) one(r *rand.Rand) string {
	at, _ := slices.BinarySearch(d.upTo, r.Float64()*d.upTo[len(d.upTo)-1])
	return d.names[at]
}

// member picks one of a crowd; its heavy ones are the first.
func member(c scenario.Crowd, r *rand.Rand) int {
	if c.Heavy > 0 && (c.Heavy == c.Count || r.Float64() < c.HeavyShare) {
		return r.IntN(c.Heavy)
	}
	return c.Heavy + r.IntN(c.Count-c.Heavy)
}

// address gives each number another address, and nearby ones other networks.
func address(n int) string {
	return "10." + strconv.Itoa(n>>8&255) + "." + strconv.Itoa(n&255) + "." + strconv.Itoa(1+n>>16)
}
