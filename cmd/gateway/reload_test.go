package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Whoever reloads, by signal, command, API or the dashboard's button, a good file or a bad
// one: no request under way or sent meanwhile fails, and users are verified all the time.
func TestReload_UnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good, milder, wrong := h.shipped(), strings.Replace(h.shipped(), "degraded: deny", "degraded: challenge", 1), strings.Replace(h.shipped(), "degraded: deny", "degraded: perhaps", 1)
	session := h.logsIn(operatorsToken)
	asks := func(path string, headers ...string) int {
		status, _ := ask(t, http.MethodPost, "http://"+h.gateway.admin+path, "", headers...)
		return status
	}
	tells := func(file string) int { return map[string]int{wrong: http.StatusUnprocessableEntity}[file] }
	ways := map[string]func(file string) bool{
		"SIGHUP": func(string) bool {
			before := strings.Count(h.gateway.stderr.String(), "reloaded")
			h.gateway.send(t, syscall.SIGHUP)
			eventually(t, "it is told", func() bool { return strings.Count(h.gateway.stderr.String(), "reloaded") > before })
			return true
		},
		"command": func(file string) bool {
			p := begin(t, h.folder, h.environ, "gateway", "reload", "--admin-url", "http://"+h.gateway.admin)
			<-p.ended
			return p.cmd.ProcessState.ExitCode() == map[string]int{wrong: 2}[file]
		},
		"API": func(file string) bool { return asks("/admin/v1/reload") == max(tells(file), http.StatusOK) },
		"button": func(file string) bool {
			return asks("/reload", "Authorization: ", "Cookie: captchagate_session="+session, "Sec-Fetch-Site: same-origin", "Content-Type: application/x-www-form-urlencoded") == max(tells(file), http.StatusOK)
		},
	}
	load := h.load(8)
	reloads := 0
	for name, reload := range ways {
		for _, file := range []string{wrong, []string{milder, good}[reloads/2%2]} {
			h.write(file)
			if !reload(file) {
				t.Errorf("by %s: not as expected: %.200q", name, file)
			}
			reloads++
		}
	}
	asked, failed, why := load()
	t.Logf("%d reloads, half of them of bad files, under %d requests: %d failed", reloads, asked, failed)
	if failed > 0 || asked < 100 {
		t.Errorf("of %d requests %d failed: %s", asked, failed, why)
	}
}

// logsIn returns the session that a token gives at the dashboard, "" if none.
func (h *house) logsIn(token string) string {
	h.t.Helper()
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm("http://"+h.gateway.admin+"/login", url.Values{"token": {token}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, cookie := range resp.Cookies() {
		return cookie.Value
	}
	return ""
}

// load has callers ask without a pause, each on a connection that it keeps, until the
// function that is returned is called, which tells what came of it. A request failed where
// it got no decision, or its good ticket was not verified.
func (h *house) load(callers int) (stop func() (asked, failed int64, why string)) {
	var over atomic.Bool
	var asked, failed atomic.Int64
	var why atomic.Value
	var crowd sync.WaitGroup
	for range callers {
		crowd.Go(func() {
			client := http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ; !over.Load(); <-time.After(5 * time.Millisecond) {
				asked.Add(1)
				resp, err := client.Post("http://"+h.gateway.listen+"/v1/verify", "application/json", strings.NewReader(verifyBody(h.ticket("valid"), "payment")))
				body := []byte(nil)
				if err == nil {
					body, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if err != nil || !bytes.Contains(body, []byte(`"verified"`)) {
					failed.Add(1)
					why.Store(string(body))
				}
			}
		})
	}
	return func() (int64, int64, string) {
		over.Store(true)
		crowd.Wait()
		text, _ := why.Load().(string)
		return asked.Load(), failed.Load(), text
	}
}
