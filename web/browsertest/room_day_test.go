package browsertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"

	"captchagate/admin"
	"captchagate/control"
	"captchagate/sla"
	"captchagate/store/bolt"
	"captchagate/watch"
)

// O4. A day of history in which every minute was another one, and a quarter of an hour in
// which every second was, are shown, kept as of now and changed for one another without a
// pause of 100 ms.
func TestRoom_ADayAtOnce(t *testing.T) { // not beside others: the trace is of the whole browser
	b, d := openBrowser(t), openDay(t)
	p := b.tab(t, &site{t: t})
	p.looks(1280, "light")
	p.visit(d.room + "/")
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"15 minutes, at first", func() { p.visit(d.room + "/?n=1") }},
		{"15 minutes, as of now", func() { d.turns("open"); p.hears("Captcha API down") }},
		{"to 24 hours", func() {
			p.clicks(`document.querySelector("#charts h2 a")`)
			p.waits(`document.querySelector("#charts[data-hours='24']")`)
		}},
		{"24 hours, as of now", func() { d.turns("closed"); p.hears("All is well") }},
		{"24 hours, at first", func() { p.visit(d.room + "/?hours=24") }},
	} {
		longest, all := p.busy(func() {
			step.do()
			p.waits(`document.querySelectorAll("#charts svg.plot").length === 3 && document.querySelector("#line").textContent === "Live."`)
			p.do(`new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))`) // it is painted
		})
		t.Logf("%s: the longest pause %.0f ms, %.0f ms in all, %.0f elements", step.name, longest, all, eval[float64](p, `document.querySelectorAll("*").length`))
		if longest >= 100 {
			t.Errorf("%s: the page does not answer for %.0f ms", step.name, longest)
		}
	}
}

// O4. A page that nobody sees asks for almost nothing, keeps its title, and is right at once
// when it is looked at. One whose stream breaks off, or never comes through, is right as well.
func TestRoom_APageThatWasAway(t *testing.T) { // nor is this one
	b, d := openBrowser(t), openDay(t)
	p := b.tab(t, &site{t: t})
	p.looks(1280, "light")
	p.before(`window.late = 0; window.unseen = false; { const now = Date.now; Date.now = () => now() + late; }
Object.defineProperty(document, "hidden", { get: () => unseen });
window.hide = (is) => { unseen = is; document.dispatchEvent(new Event("visibilitychange")); };`)
	p.visit(d.room + "/?hours=24")
	p.waits(`document.querySelector("#line").textContent === "Live."`)
	p.do(`window.alarmed = 0; new MutationObserver(() => { if (document.querySelector("#line").classList.contains("lost")) alarmed++; }).observe(document.querySelector("#line"), { attributes: true })`)

	p.do(`hide(true)`)
	before := d.asked.Load()
	for range 50 {
		d.turns("closed")
		d.turns("open")
		d.happens()
	}
	p.do(`new Promise((done) => setTimeout(done, 1500))`)
	if asked := d.asked.Load() - before; asked > 2 { // a look may have been on its way
		t.Errorf("a hidden page asked %d times", asked)
	}
	p.do(`late += 61000`)
	p.waits(`document.title.startsWith("Outage")`)
	d.turns("closed")
	longest, _ := p.busy(func() { p.do(`hide(false)`); p.hears("All is well") })
	if t.Logf("coming back: the longest pause %.0f ms", longest); longest >= 100 {
		t.Errorf("it does not answer for %.0f ms after it was hidden", longest)
	}

	d.cut()
	d.turns("open")
	p.hears("Captcha API down")
	d.noStream.Store(true)
	d.cut()
	d.turns("closed")
	p.hears("All is well")
	if alarmed := eval[float64](p, `alarmed`); alarmed > 0 {
		t.Error("it says that the connection is lost, and it is not")
	}
}

// hears waits until a change is told, for which all is drawn anew.
func (p *page) hears(words string) {
	p.t.Helper()
	p.waits(fmt.Sprintf(`document.querySelector("#told").textContent.includes(%q)`, words))
}

// busy is how long the page's own thread computed at most in one piece, in which it answers
// nobody, and in all, in milliseconds. It counts no time for which a busy machine let the
// thread wait.
func (p *page) busy(do func()) (longest, all float64) {
	p.t.Helper()
	tracer.Lock()
	defer tracer.Unlock()
	var events traced
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	p.must(chromedp.Listen(ctx, events.hear))
	events.complete = make(chan struct{})
	_, err := chromedp.Call(ctx, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"toplevel", "blink.user_timing"}}})
	p.must(err)
	do()
	p.do(`performance.mark("here")`)
	_, err = chromedp.Call(ctx, tracing.End, cdp.Empty{})
	p.must(err)
	select {
	case <-events.complete:
	case <-time.After(patience):
		p.t.Fatal("the browser's trace does not end")
	}
	return events.busy(p.t)
}

// tracer is held while the browser makes a trace: it makes one at a time.
var tracer sync.Mutex

// traced is what a browser did.
type traced struct {
	mu       sync.Mutex
	events   []traceEvent
	complete chan struct{}
}

type traceEvent struct {
	Name   string  `json:"name"`
	Pid    int     `json:"pid"`
	Thread int     `json:"tid"`
	Took   float64 `json:"tdur"` // microseconds of the thread
}

func (d *traced) hear(event any) {
	switch e := event.(type) {
	case *tracing.EventDataCollected:
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, text := range e.Value {
			var one traceEvent
			if json.Unmarshal(text, &one) == nil {
				d.events = append(d.events, one)
			}
		}
	case *tracing.EventTracingComplete:
		close(d.complete)
	}
}

// busy is about the thread that made the mark.
func (d *traced) busy(t *testing.T) (longest, all float64) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var here traceEvent
	for _, e := range d.events {
		if e.Name == "here" {
			here = e
		}
	}
	for _, e := range d.events {
		if e.Pid == here.Pid && e.Thread == here.Thread && e.Name == "ThreadControllerImpl::RunTask" {
			longest, all = max(longest, e.Took/1000), all+e.Took/1000
		}
	}
	if all == 0 {
		t.Fatal("the trace has no task of the page's thread")
	}
	return longest, all
}

// A day is what a dashboard shows of a gateway that had another state every minute.
type day struct {
	admin.Views

	room     string
	cut      func()       // all connections
	happens  func()       // something that the audit tells
	noStream atomic.Bool  // a proxy refuses event streams
	asked    atomic.Int32 // how often it was asked for anything

	mu      sync.Mutex
	circuit admin.Breaker
}

func openDay(t *testing.T) *day {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	kept, err := bolt.Open(filepath.Join(t.TempDir(), "gateway.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	switches, err := control.New(t.Context(), kept, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	d := &day{circuit: admin.Breaker{State: "closed", Since: time.Now()}}
	d.happens = func() { switches.Audit(control.KindReload, "olga", "reloaded; nothing changed", nil) }
	server := admin.New(admin.Config{}, switches, d, nil, http.NotFoundHandler(), log, prometheus.NewRegistry())
	for n := range 64 {
		switches.Audit(control.KindSwitch, "olga", fmt.Sprintf("forced degraded for the %dth time: the provider announced a short break", n), nil)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { switches.Run(ctx) })
	running.Go(func() { server.Run(ctx) })
	listener := httptest.NewServer(d.proxied(server.Handler()))
	d.room, d.cut = listener.URL, listener.CloseClientConnections
	t.Cleanup(func() {
		server.EndStreams()
		listener.CloseClientConnections()
		listener.Close()
		cancel()
		running.Wait()
		_ = kept.Close()
	})
	return d
}

func (d *day) proxied(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		if d.noStream.Load() && r.URL.Path == "/admin/v1/events" {
			http.Error(w, "no streams here", http.StatusBadGateway)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// turns has the circuit be in another state.
func (d *day) turns(state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.circuit = admin.Breaker{State: state, Since: time.Now(), Evidence: "10 tickets in a row met a fault"}
}

func (d *day) Status() admin.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return admin.Status{Mode: "normal", Breaker: d.circuit, Account: admin.Account{State: "ok"}, Script: admin.Script{State: admin.ScriptUp}, Store: admin.Store{Kind: "bolt", Healthy: true}}
}

func (d *day) Scenes() []admin.Scene { return nil }

// Alarms is false: nobody is told.
func (d *day) Alarms() bool { return false }

func (d *day) Incidents(limit int) []watch.Incident {
	all := make([]watch.Incident, limit)
	for i := range all {
		all[i] = watch.Incident{ID: fmt.Sprint(i), Began: time.Now().Add(-time.Duration(i+1) * time.Hour), Evidence: "10 tickets in a row met a fault within 225ms, and a probe of our own failed"}
	}
	return all
}

func (d *day) SLA(string) (sla.Report, error) { return sla.Report{}, nil }

// Series has as many points as a history keeps, each with everything in it.
func (d *day) Series(minutes int) (time.Duration, []watch.Point) {
	every, n := time.Minute, watch.HistoryMinutes
	if minutes*60 <= watch.HistorySeconds {
		every, n = time.Second, watch.HistorySeconds
	}
	begins := time.Now().Truncate(every).Add(-time.Duration(n) * every)
	points := make([]watch.Point, n)
	for i := range points {
		r := uint32(i)*2654435761>>20 + 1 // as good as chance
		p50, p99 := float32(r%90+1), float32(r%900+100)
		points[i] = watch.Point{
			At: begins.Add(time.Duration(i) * every), State: []string{"closed", "open"}[i/5%2], Mode: "normal", P50MS: &p50, P99MS: &p99, Spared: r % 70, Solved: r % 11,
			Answers: watch.ByAction{Allow: watch.ByMode{Normal: r, Degraded: r % 500}, Challenge: watch.ByMode{Degraded: r % 300}, Deny: watch.ByMode{Normal: r % 70, Degraded: r % 90}},
			Calls:   watch.Calls{Passed: r, Rejected: r % 70, Fault: r % 50, Throttled: r % 30},
		}
	}
	return every, points
}
