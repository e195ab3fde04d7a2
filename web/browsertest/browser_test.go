package browsertest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take for anything, on however busy a machine.
const patience = time.Minute

// elsewhere is a host that is this machine without being called so: without
// HTTPS its pages are no secure context.
const elsewhere = "shop.test"

// A browser is a test's own: nothing that a page leaves in it is seen by another
// test's. All are windows of one Chromium, because starting it takes a second.
type browser struct{ ctx context.Context }

// openBrowser opens one. Without Chromium it skips, or fails if CI=true.
func openBrowser(t *testing.T) browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	parent, err := chromium()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skipf("needs chromium on PATH: %v", err)
	}
	if err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until it is closed
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium opens no window: %v", err)
	}
	return browser{ctx}
}

// TestMain ends what the tests shared.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(goruntime.GOMAXPROCS(0)) {
		_ = parallel.Value.Set(strconv.Itoa(2 * goruntime.GOMAXPROCS(0))) // pages mostly wait
	}
	code := m.Run()
	shared.Lock()
	for _, end := range slices.Backward(shared.ends) {
		end()
	}
	os.Exit(code)
}

// shared is how to end what the tests share.
var shared struct {
	sync.Mutex
	ends []func()
}

func atEnd(f func()) {
	shared.Lock()
	defer shared.Unlock()
	shared.ends = append(shared.ends, f)
}

// chromium starts it, once.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return nil, err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(folder),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP "+elsewhere+" 127.0.0.1"), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "en-US"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	atEnd(func() {
		_ = chromedp.Cancel(ctx) // gently, so that its folder can go
		cancel()
		stop()
		_ = os.RemoveAll(folder)
	})
	return ctx, chromedp.Do(ctx)
})

// A page is one tab, and what went wrong in it.
type page struct {
	t    *testing.T
	site *site
	ctx  context.Context

	mu     sync.Mutex
	errors []string
}

// opens opens the shop in a new tab; query is what is different about it.
func (b browser) opens(s *site, query string) *page {
	s.t.Helper()
	return b.opensAfter(s, "", query)
}

// opensAfter does so after a script of the test's own has changed the browser.
func (b browser) opensAfter(s *site, script, query string) *page {
	s.t.Helper()
	p := b.tab(s.t, s)
	p.before(script)
	p.visit(s.shop.URL + "/shop?" + query)
	return p
}

// before has every page run a script before its own.
func (p *page) before(script string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	p.must(err)
}

// watchShifts notes what moves without the user having done anything.
const watchShifts = `window.shifts = [];
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) if (!e.hadRecentInput) shifts.push(e.value + " " + e.sources.map((s) => [s.node?.nodeName, s.node?.parentElement?.outerHTML.slice(0, 99), JSON.stringify(s.previousRect), JSON.stringify(s.currentRect)]));
}).observe({ type: "layout-shift", buffered: true });`

// holdTimers keeps timers of ten seconds and more from running until the test
// lets their time pass: so no test waits for one, or meets one because the
// machine was slow.
const holdTimers = `{
  const set = setTimeout, clear = clearTimeout, held = new Map();
  window.setTimeout = (f, ms, ...rest) => {
    const id = set(f, ms, ...rest);
    if (ms >= 10000) { clear(id); held.set(id, [f, ms]); }
    return id;
  };
  window.clearTimeout = (id) => { held.delete(id); clear(id); };
  window.heldTimers = () => [...held.values()].map(([, ms]) => ms);
  window.passTime = () => { for (const [id, [f]] of [...held]) { held.delete(id); f(); } };
}`

func (b browser) tab(t *testing.T, s *site) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	t.Cleanup(cancel)
	p := &page{t: t, site: s, ctx: ctx}
	p.must(chromedp.Listen(ctx, p.hear))
	_, err := chromedp.Call(ctx, log.Enable, cdp.Empty{})
	p.must(err)
	p.before(watchShifts + holdTimers)
	p.must(chromedp.Do(ctx, chromedp.EmulateViewport(390, 700)))
	return p
}

// next has the tab go on in another test, for opening one costs three times what a
// page does. What it complained about before is forgotten.
func (p *page) next(t *testing.T) {
	t.Helper()
	p.t, p.site.t = t, t
	p.visit("about:blank")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = nil
}

func (p *page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// hear notes what the browser complains about.
func (p *page) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, fmt.Sprint("exception: ", e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception.Description))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.errors = append(p.errors, fmt.Sprint("console: ", e.Args))
		}
	}
}

// complaints are those that none of the words excuses.
func (p *page) complaints(excused ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var rest []string
	for _, text := range p.errors {
		if !slices.ContainsFunc(excused, func(word string) bool { return strings.Contains(text, word) }) {
			rest = append(rest, text)
		}
	}
	return rest
}

// isFine fails if the page complained, broke its policy or shifted.
func (p *page) isFine(excused ...string) {
	p.t.Helper()
	if rest := p.complaints(excused...); len(rest) > 0 {
		p.t.Errorf("the browser complains: %q", rest)
	}
	if shifts := eval[string](p, `shifts.join("; ")`); shifts != "" && !slices.Contains(excused, "shift") {
		p.t.Errorf("the layout shifted by itself: %s", shifts)
	}
	if v := p.site.violated(); len(v) > 0 && !slices.Contains(excused, "Content Security Policy") {
		p.t.Errorf("violations of the policy: %v", v)
	}
}

func (p *page) visit(address string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	p.must(chromedp.Do(ctx, chromedp.Navigate(address)))
}

// eval returns what an expression is worth, a promise awaited.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (p *page) do(expression string) {
	p.t.Helper()
	eval[chromedp.Void](p, expression+"; undefined")
}

// waits waits until an expression holds, also across a navigation.
func (p *page) waits(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(pause*5/4, 200*time.Millisecond) { // looking takes the machine's time
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			p.t.Fatalf("waited in vain for %s (last: %v); the page: %v, complaints %q", expression, err, p.text(), p.complaints())
		}
	}
}

// passes lets the time of the page's one long timer pass, which a state left
// running, and returns how long it was to run.
func (p *page) passes() time.Duration {
	p.t.Helper()
	p.waits(`heldTimers().length === 1`)
	ms := eval[float64](p, `heldTimers()[0]`)
	p.do(`passTime()`)
	return time.Duration(ms) * time.Millisecond
}

// text is what the page shows, for messages.
func (p *page) text() string {
	v, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](
		`JSON.stringify({state: document.querySelector("#c")?.dataset.state, told: window.told, text: document.body.innerText})`))
	return v
}

// clicks waits for an element and clicks it as a person does.
func (p *page) clicks(element string) {
	p.t.Helper()
	p.waits(element + "?.checkVisibility()")
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.JSPath(element))); err != nil {
		p.t.Fatalf("clicking %s: %v", element, err)
	}
}

// presses clicks by code: in a page that came back by the back button the
// driver does not know where anything is.
func (p *page) presses(element string) {
	p.t.Helper()
	p.waits(element + "?.checkVisibility()")
	p.do(element + ".click()")
}

// stands waits for a state of the widget.
func (p *page) stands(state string) {
	p.t.Helper()
	p.waits(`document.querySelector("#c")?.dataset.state === "` + state + `"`)
}

// answered waits for the shop's answer.
func (p *page) answered() string {
	p.t.Helper()
	p.waits(`document.querySelector("#answer")?.textContent`)
	return eval[string](p, `document.querySelector("#answer").textContent`)
}
