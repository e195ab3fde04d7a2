package reverify

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// A Tally counts the entries of an incident by what became of them.
type Tally struct {
	Waiting      int `json:"waiting"`
	Confirmed    int `json:"confirmed"`
	Refuted      int `json:"refuted"`
	Unverifiable int `json:"unverifiable"`
}

// Checked is how many could be verified in the end.
func (t Tally) Checked() int { return t.Confirmed + t.Refuted }

func (t *Tally) add(other Tally) {
	t.Confirmed += other.Confirmed
	t.Refuted += other.Refuted
	t.Unverifiable += other.Unverifiable
}

func (t *Tally) count(r Result) {
	switch r {
	case Confirmed:
		t.Confirmed++
	case Refuted:
		t.Refuted++
	case Unverifiable:
		t.Unverifiable++
	}
}

// tallies are those of all incidents; "" stands for outside incidents.
type tallies struct {
	results *prometheus.CounterVec

	mu         sync.Mutex
	byIncident map[string]*Tally
}

// newTallies registers the counter of results; each stands at 0 from the start.
func newTallies(reg prometheus.Registerer) *tallies {
	results := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "captchagate_reverified_total", Help: "Users let through in degraded mode, by what asking again found.",
	}, []string{"result"})
	for _, r := range []Result{Confirmed, Refuted, Unverifiable} {
		results.WithLabelValues(string(r))
	}
	return &tallies{results: results, byIncident: map[string]*Tally{}}
}

// Counts tells what became of an incident's entries: those of this process,
// and of earlier ones for a day. "" stands for all outside incidents.
func (q *Queue) Counts(incident string) Tally { return q.tallies.of(incident) }

func (t *tallies) of(incident string) Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tally := t.byIncident[incident]; tally != nil {
		return *tally
	}
	return Tally{}
}

// waiting counts n entries more that wait.
func (t *tallies) waiting(incident string, n int) {
	t.change(incident, func(tally *Tally) { tally.Waiting += n })
}

// found counts one entry that waited by what was found.
func (t *tallies) found(incident string, r Result) {
	t.results.WithLabelValues(string(r)).Inc()
	t.change(incident, func(tally *Tally) {
		tally.Waiting--
		tally.count(r)
	})
}

// restore counts what earlier processes found.
func (t *tallies) restore(incident string, earlier Tally) {
	t.change(incident, func(tally *Tally) { tally.add(earlier) })
}

func (t *tallies) change(incident string, change func(*Tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tally := t.byIncident[incident]
	if tally == nil {
		tally = new(Tally)
		t.byIncident[incident] = tally
	}
	change(tally)
}
