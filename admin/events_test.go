package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/admin"
	"captchagate/control"
)

// A listener is who reads an event stream.
type listener struct {
	*httptest.ResponseRecorder
	leave func()
	ended chan struct{}
	stuck chan struct{} // nil: it reads; else not until this is closed

	mu   sync.Mutex
	text strings.Builder
}

func (l *listener) Write(p []byte) (int, error) {
	if l.stuck != nil {
		<-l.stuck
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// heard is what came since the last time that somebody asked.
func (l *listener) heard() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func (l *listener) over() bool {
	synctest.Wait()
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// listen opens a stream; header is as of ask.
func (d *door) listen(t *testing.T, header ...string) *listener {
	return d.listenThrough(t, &listener{}, header...)
}

func (d *door) listenThrough(t *testing.T, l *listener, header ...string) *listener {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	l.ResponseRecorder, l.leave, l.ended = httptest.NewRecorder(), leave, make(chan struct{})
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/admin/v1/events", http.NoBody)
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8081"
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	go func() {
		defer close(l.ended)
		d.ServeHTTP(l, r)
	}()
	synctest.Wait()
	return l
}

// inStory plays a story of one door in virtual time.
func inStory(t *testing.T, story func(t *testing.T, d *door)) {
	synctest.Test(t, func(t *testing.T) { story(t, build(t, nil)) })
}

func (d *door) happens(summary string) {
	d.control.Audit(control.KindTransition, "gateway", summary, nil)
}

func count(t *testing.T, text, what string, want int) {
	t.Helper()
	if got := strings.Count(text, what); got != want {
		t.Errorf("%q came %d times, want %d:\n%s", what, got, want, text)
	}
}

// The status comes at once, and in peace nothing follows but a sign of life.
func TestEvents_TellTheStatusAtOnceAndOnlyChanges(t *testing.T) {
	inStory(t, func(t *testing.T, d *door) {
		l := d.listen(t)
		if kind := l.Header().Get("Content-Type"); kind != "text/event-stream" {
			t.Errorf("Content-Type %q", kind)
		}
		first := l.heard()
		count(t, first, "event: status\ndata: {\"mode\":\"normal\"", 1)
		if !strings.HasSuffix(first, "\n\n") {
			t.Errorf("the first event is not ended: %q", first)
		}
		d.setStatus(func(s *admin.Status) { s.Replicas = []admin.Replica{{ID: "a", AgeMS: 100}} })
		time.Sleep(2 * time.Second)
		count(t, l.heard(), "event: status", 1)
		for age := range 61 {
			d.setStatus(func(s *admin.Status) { s.Replicas[0].AgeMS, s.Replicas[0].ClockLagMS = int64(100+age), int64(age) })
			time.Sleep(time.Second)
		}
		peace := l.heard()
		count(t, peace, "event:", 0)
		count(t, peace, ": still here\n\n", 4)
		l.leave()
		if !l.over() {
			t.Error("the stream goes on, though its reader left")
		}
	})
}

// Whatever happens, a stream has a status a second at most, and the last one is of how
// things stand.
func TestEvents_TellAStatusASecondAtMost(t *testing.T) {
	inStory(t, func(t *testing.T, d *door) {
		l := d.listen(t)
		l.heard()
		for i := range 100 {
			d.setStatus(func(s *admin.Status) { s.Breaker.Requests = i + 1 })
			d.happens(fmt.Sprintf("news %d", i))
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		busy := l.heard()
		if n := strings.Count(busy, "event: status"); n < 4 || n > 6 {
			t.Errorf("%d statuses in five seconds of changes", n)
		}
		if last := busy[strings.LastIndex(busy, "event: status"):]; !strings.Contains(last, `"requests":100,`) {
			t.Errorf("the last status is not the newest: %s", last)
		}
		count(t, busy, "event: audit\nid: 20", 100)
	})
}

// A switch is on the stream at once: as an entry with an id, and as a status.
func TestEvents_TellASwitch(t *testing.T) {
	inStory(t, func(t *testing.T, d *door) {
		l := d.listen(t)
		l.heard()
		time.Sleep(10 * time.Second)
		if w := d.ask(t, http.MethodPut, "/admin/v1/mode", `{"mode":"degraded","reason":"a drill","for":"30s"}`); w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
		text := l.heard()
		count(t, text, `"summary":"forced degraded until`, 1)
		count(t, text, "event: status", 1)
		count(t, text, `"reason":"a drill"`, 2)
		time.Sleep(31 * time.Second)
		text = l.heard()
		count(t, text, "forced degraded lapsed", 1)
		count(t, text, `"override":null`, 1)
	})
}

func idOf(t *testing.T, text, summary string) string {
	t.Helper()
	for event := range strings.SplitSeq(text, "\n\n") {
		if strings.Contains(event, `"summary":"`+summary+`"`) {
			_, rest, _ := strings.Cut(event, "\nid: ")
			id, _, _ := strings.Cut(rest, "\n")
			return id
		}
	}
	t.Fatalf("no event of %q in %s", summary, text)
	return ""
}

// Who comes back with the last id misses no entry, and gets none twice: of those at hand,
// and of those that only the store has.
func TestEvents_GoOnBehindTheLastID(t *testing.T) {
	for _, many := range []int{3, 500} {
		t.Run(strconv.Itoa(many), func(t *testing.T) {
			inStory(t, func(t *testing.T, d *door) {
				l := d.listen(t)
				d.happens("seen")
				id := idOf(t, l.heard(), "seen")
				l.leave()
				for i := range many {
					d.happens(fmt.Sprintf("missed %d.", i))
					time.Sleep(time.Millisecond)
				}
				time.Sleep(time.Second)
				again := d.listen(t, "Last-Event-ID: "+id)
				d.happens("new")
				text := again.heard()
				count(t, text, "event: audit", many+1)
				count(t, text, `"seen"`, 0)
				at := 0
				for i := range many {
					next := strings.Index(text, fmt.Sprintf("missed %d.", i))
					if next < at {
						t.Fatalf("entry %d is missing or out of turn", i)
					}
					at = next
				}
				count(t, d.listen(t, "Last-Event-ID: nonsense").heard(), "event: audit", 0)
			})
		})
	}
}

// Who does not read keeps nobody waiting and nothing in memory (O4): the stream ends once
// more happened than is at hand.
func TestEvents_NobodyWaitsForASlowReader(t *testing.T) {
	inStory(t, func(t *testing.T, d *door) {
		slow := d.listenThrough(t, &listener{stuck: make(chan struct{})})
		quick := d.listen(t)
		for i := range 1000 {
			d.happens(fmt.Sprintf("news %d", i))
			time.Sleep(time.Millisecond)
		}
		count(t, quick.heard(), "event: audit", 1000)
		close(slow.stuck)
		if !slow.over() {
			t.Error("the slow reader's stream goes on with a gap")
		}
	})
}

// Streams are bounded, and end when the gateway drains.
func TestEvents_AreBoundedAndEndAtADrain(t *testing.T) {
	inStory(t, func(t *testing.T, d *door) {
		var all []*listener
		for range 128 {
			all = append(all, d.listen(t))
		}
		if w := d.ask(t, http.MethodGet, "/admin/v1/events", ""); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("one too many: %d %v", w.Code, w.Header())
		}
		all[0].leave()
		synctest.Wait()
		all = append(all, d.listen(t))
		d.server.EndStreams()
		for i, l := range all {
			if !l.over() {
				t.Fatalf("stream %d goes on", i)
			}
		}
		if late := d.listen(t); !late.over() {
			t.Error("a stream begins while the gateway drains")
		}
	})
}

func TestSeries_RefusesWhatItDoesNotHave(t *testing.T) {
	d := build(t, nil)
	for query, want := range map[string]int{"": 200, "?minutes=15": 200, "?minutes=1440": 200, "?minutes=0": 400, "?minutes=1441": 400, "?minutes=-1": 400, "?minutes=x": 400, "?minutes=": 400, "?minutes=1.5": 400} {
		w := d.ask(t, http.MethodGet, "/admin/v1/series"+query, "")
		if w.Code != want || want == 400 && !strings.Contains(w.Body.String(), "between 1 and 1440") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// A stream that came with a session ends with it.
func TestEvents_EndWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := build(t, tokens)
		w := d.ask(t, http.MethodPost, "/login", "token="+viewerToken, "Content-Type: application/x-www-form-urlencoded")
		session, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
		if w.Code != http.StatusSeeOther || session == "" {
			t.Fatalf("login: %d %v", w.Code, w.Header())
		}
		l, token := d.listen(t, "Cookie: "+session), d.listen(t, bearer(viewerToken))
		count(t, l.heard(), "event: status", 1)
		time.Sleep(12*time.Hour - time.Minute)
		if l.over() {
			t.Fatal("the stream ended before its session")
		}
		time.Sleep(time.Minute + time.Second)
		if !l.over() {
			t.Error("the stream outlives its session")
		}
		if token.over() {
			t.Error("a stream that came with a token ended")
		}
		token.leave()
	})
}
