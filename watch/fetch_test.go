package watch_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/watch"
)

func TestScript_KnowsWhatIsNoScript(t *testing.T) {
	real, err := os.ReadFile("../simulator/assets/TJCaptcha.js")
	if err != nil {
		t.Fatal(err)
	}
	const js = "application/javascript"
	minified := `!function(e,t){"object"==typeof exports?module.exports=t():e.TCaptcha=t()}(window,function(){return 1});`
	short := func(r *http.Request) (*http.Response, error) {
		a, _ := well(r)
		a.ContentLength++
		return a, nil
	}
	broken := func(r *http.Request) (*http.Response, error) {
		a, _ := well(r)
		a.Body = io.NopCloser(io.MultiReader(strings.NewReader(goodScript[:40]), reset{}))
		return a, nil
	}
	unknown := func(r *http.Request) (*http.Response, error) { // length not said
		a, _ := well(r)
		a.ContentLength = -1
		return a, nil
	}
	for name, c := range map[string]struct {
		serve serving
		ok    bool
	}{
		"a script":                          {well, true},
		"the simulator's stand-in":          {answer(200, "text/javascript; charset=utf-8", string(real)), true},
		"a minified bundle":                 {answer(200, "application/x-javascript", minified), true},
		"no content type":                   {answer(200, "", goodScript), true},
		"plain text":                        {answer(200, "text/plain", goodScript), true},
		"a byte order mark":                 {answer(200, js, "\ufeff"+goodScript), true},
		"length not said":                   {unknown, true},
		"not found":                         {answer(404, js, goodScript), false},
		"no content":                        {answer(204, js, ""), false},
		"bad gateway":                       {answer(502, "text/html", "<html>502</html>"), false},
		"another host":                      {answer(302, js, goodScript, "Location", "https://portal.test/"), false},
		"the same host":                     {answer(301, js, goodScript, "Location", "https://script.test/y.js"), false},
		"an error page":                     {answer(200, "text/html", "<!doctype html><script>(function(){})()</script>"+strings.Repeat(" ", 99)), false},
		"an error page sent as a script":    {answer(200, js, "\n <!doctype html><script>(function () { location = 'https://portal.test/' })()</script>"), false},
		"a script sent as a page":           {answer(200, "text/html", goodScript), false},
		"nothing":                           {answer(200, js, ""), false},
		"spaces":                            {answer(200, js, strings.Repeat(" \n", 200)), false},
		"a few bytes":                       {answer(200, js, "(function(){})()"), false},
		"words":                             {answer(200, js, strings.Repeat("upstream connect error or disconnect ", 4)), false},
		"JSON":                              {answer(200, "text/plain", `{"error": "no such bucket (or key)", "request": "0123456789abcdef0123456789abcdef"}`), false},
		"zero bytes":                        {answer(200, js, goodScript+"\x00\x00"), false},
		"half a body":                       {short, false},
		"a body that breaks off":            {broken, false},
		"more than 4 MiB":                   {answer(200, js, goodScript+strings.Repeat("/**/", 1<<20)), false},
		"silence":                           {hang, false},
		"a connection that is refused":      {refuse, false},
		"a body that never comes to an end": {endless, false},
	} {
		t.Run(name, func(t *testing.T) {
			probed(t, quiet, well, func(s *watch.Script, at *site, _ *[]bool) {
				pass(time.Second)
				at.now(c.serve)
				pass(50 * time.Second)
				if st := s.Status(); s.Down() == c.ok || (st.Problem == "") != c.ok {
					t.Errorf("down is %v, the problem %q", s.Down(), st.Problem)
				}
			})
		})
	}
}

type reset struct{}

func (reset) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// endless answers at once and then sends a byte a second for ever.
func endless(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, ContentLength: -1, Body: io.NopCloser(drip{r.Context()})}, nil
}

type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return copy(p, "{"), nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func TestScript_ReadsOverASocket(t *testing.T) {
	cut := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		if cut {
			w.Header().Set("Content-Length", "5000")
		}
		_, _ = io.WriteString(w, goodScript)
	}))
	defer server.Close()
	for _, cut = range []bool{false, true} {
		reg := prometheus.NewRegistry()
		s := watch.NewScript(watch.ScriptConfig{URL: server.URL, Interval: time.Hour, Failures: 1}, nil, nil, nil, quiet, reg)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		for s.Status().Last.IsZero() && t.Context().Err() == nil {
			<-time.After(time.Millisecond)
		}
		stop()
		<-ended
		if st := s.Status(); (st.Problem != "") != cut {
			t.Errorf("cut is %v, the problem %q", cut, st.Problem)
		}
		for result, want := range map[string]float64{"ok": map[bool]float64{false: 1}[cut], "failed": map[bool]float64{true: 1}[cut]} {
			if got := series(t, reg, "captchagate_script_probes_total", result); got != want {
				t.Errorf("cut is %v, %s counted %v times, want %v", cut, result, got, want)
			}
		}
	}
}
