package gateway_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"captchagate/simulator"
)

// metrics is the text of GET /metrics.
func (h *house) metrics() string {
	h.t.Helper()
	w, _ := h.send(h.operators, "GET", "/metrics", "")
	if w.Code != http.StatusOK {
		h.t.Fatalf("/metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// series returns the values of a metric's series, by their labels.
func (h *house) series(name string) map[string]float64 {
	h.t.Helper()
	found := map[string]float64{}
	for line := range strings.Lines(h.metrics()) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		metric, labels, _ := strings.Cut(series, "{")
		if !strings.Contains(line, "{") {
			metric, value, _ = strings.Cut(strings.TrimSpace(line), " ")
			labels = ""
		}
		if metric != name {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			h.t.Fatalf("%s: %v", line, err)
		}
		found[labels] = n
	}
	return found
}

// total sums the series of a metric.
func (h *house) total(name string) (sum float64) {
	h.t.Helper()
	for _, n := range h.series(name) {
		sum += n
	}
	return sum
}

// A5: requests = decisions + refusals, exactly, in peace, in an outage and
// after it, whatever is asked.
func TestGateway_CountsEveryRequestOnce(t *testing.T) {
	long(t)
	inHouse(t, nil, func(h *house) {
		var decided, refused, replayed float64
		tally := func(w int, replay bool) {
			switch {
			case w == http.StatusOK && replay:
				replayed++
			case w == http.StatusOK:
				decided++
			default:
				refused++
			}
		}
		mixed := func() {
			for i, body := range []string{
				request(nil), request(fields{"ticket": ""}), request(fields{"ticket": left, "challenge": "x"}), request(fields{"user_ip": "x"}), "{",
				request(fields{"ticket": "trerror_1001_190000001_" + strconv.FormatInt(time.Now().Unix(), 10), "scene": "comment"}), request(fields{"scene": "nowhere"}),
			} {
				key := "key-" + strconv.Itoa(i)
				for range 2 {
					w := h.post(body)
					tally(w.Code, false)
					w = h.post(body, "Idempotency-Key", key)
					tally(w.Code, w.Header().Get("Idempotent-Replay") != "")
				}
				w := h.post(body+" ", "Idempotency-Key", key) // 409 where it was an answer
				tally(w.Code, false)
			}
			for _, method := range []string{"GET", "DELETE"} {
				w, _ := h.send(h.public, method, "/v1/verify", "")
				tally(w.Code, false)
			}
			for _, scene := range []string{"comment", "login", "payment"} {
				for _, kind := range []string{"valid", "used", "evil"} {
					tally(h.ask(h.user(scene, kind)).Status, false)
				}
				for _, a := range h.crowd(scene, 100, 100*time.Millisecond) {
					tally(a.Status, false)
				}
			}
		}
		mixed()
		for _, kind := range []simulator.Kind{simulator.Hang, simulator.Throttle, simulator.CaptchaCode26} {
			h.breaks(simulator.Fault{Kind: kind})
			mixed()
		}
		h.sim.ClearFault()
		h.awaits("closed", 30*time.Second)
		h.throws(`{"mode":"normal","reason":"test"}`)
		mixed()
		if got := h.total("captchagate_decisions_total"); got != decided+replayed || decided < 150 {
			t.Errorf("%v decisions counted, %v given and %v repeated", got, decided, replayed)
		}
		if got := h.total("captchagate_refused_total"); got != refused || refused < 30 {
			t.Errorf("%v refusals counted, %v given", got, refused)
		}
		if replayed == 0 {
			t.Error("nothing was replayed")
		}
	})
}

// atOnce asks the same 200 times at once.
func (h *house) atOnce(f fields) []answer {
	answers := make([]answer, 200)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = h.ask(f) })
	}
	wg.Wait()
	return answers
}

// A2: one ticket in 200 requests at once lets exactly one in.
func TestGateway_OneTicketLetsOneIn(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		got := count(h.atOnce(h.user("comment", simulator.TicketValid)))
		if got["allow verified normal -"] != 1 || got["deny rejected normal -"] != 199 {
			t.Errorf("in peace: %v", got)
		}
		h.outage(simulator.Hang)
		got = count(h.atOnce(h.user("comment", simulator.TicketValid)))
		if got["allow degraded_allow degraded circuit_open"] != 1 || got["deny rejected degraded circuit_open"]+got["deny rejected normal -"] != 199 {
			t.Errorf("in an outage: %v", got)
		}
	})
}

// A ticket that let somebody in unverified lets nobody in again: not in the
// outage, not after it, although the API never saw it.
func TestGateway_ATicketLetThroughIsSpent(t *testing.T) {
	inHouse(t, nil, func(h *house) {
		h.outage(simulator.HTTP502)
		f := h.user("comment", simulator.TicketValid)
		h.expect("in the outage", h.ask(f), "allow degraded_allow degraded circuit_open")
		h.expect("again", h.ask(f), "deny rejected normal -")
		h.sim.ClearFault()
		h.awaits("closed", 30*time.Second)
		a := h.ask(f)
		if h.expect("after it", a, "deny rejected normal -"); a.Attempts != 0 {
			t.Errorf("the API was asked %d times", a.Attempts)
		}
		f["scene"], f["user_ip"] = "login", "192.0.2.9"
		h.expect("by somebody else, elsewhere", h.ask(f), "deny rejected normal -")
	})
}
