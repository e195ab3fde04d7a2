package client_test

import (
	"errors"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/client"
)

// script answers requests one after the other, without a network.
type script struct {
	steps []func(*http.Request) (*http.Response, error)
	keys  []string // Idempotency-Keys that came
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	step := s.steps[min(len(s.keys), len(s.steps))-1]
	return step(r)
}

const allowed = `{"decision":"allow","reason":"verified","assurance":"full","mode":"normal","attempts":1,"decision_id":"x","some":"day"}`

func says(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
	}
}

func breaks(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// What is asked once more, always under the key of the first time, and what is not.
func TestClient_AsksOnceMoreWhereThatIsSafe(t *testing.T) {
	problem := `{"type":"about:blank","title":"Bad Request","status":400,"detail":"wrong","errors":[{"field":"user_ip","detail":"is required"}]}`
	for _, row := range []struct {
		name  string
		steps []func(*http.Request) (*http.Response, error)
		tries int
		fails string // "" = it is allowed
		most  time.Duration
	}{
		{"answered", []func(*http.Request) (*http.Response, error){says(200, allowed)}, 1, "", 0},
		{"a reset, then answered", []func(*http.Request) (*http.Response, error){breaks, says(200, allowed)}, 2, "", 100 * time.Millisecond},
		{"a proxy whose gateway is away, then answered", []func(*http.Request) (*http.Response, error){says(502, "<html>"), says(200, allowed)}, 2, "", 100 * time.Millisecond},
		{"draining, then answered", []func(*http.Request) (*http.Response, error){says(503, "{}"), says(200, allowed)}, 2, "", 100 * time.Millisecond},
		{"resets only", []func(*http.Request) (*http.Response, error){breaks}, 2, "connection reset", 100 * time.Millisecond},
		{"refused", []func(*http.Request) (*http.Response, error){says(400, problem)}, 1, "captchagate: 400: wrong; user_ip: is required", 0},
		{"a broken gateway", []func(*http.Request) (*http.Response, error){says(500, "oh")}, 1, "captchagate: 500: Internal Server Error, not by a gateway", 0},
		{"another server's page", []func(*http.Request) (*http.Response, error){says(200, "{}")}, 2, "check the URL", 100 * time.Millisecond},
		{"half an answer, then answered", []func(*http.Request) (*http.Response, error){says(200, allowed[:30]), says(200, allowed)}, 2, "", 100 * time.Millisecond},
		{"nobody answers", []func(*http.Request) (*http.Response, error){hangs}, 1, "deadline exceeded", client.DefaultTimeout},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began := &script{steps: row.steps}, time.Now()
				c := client.Client{URL: "http://gateway.test/", HTTP: &http.Client{Transport: s}}
				a, err := c.Verify(t.Context(), client.Request{Ticket: "t", UserIP: "192.0.2.1"})
				if row.fails == "" && (err != nil || a.Decision != client.Allow || a.Assurance != client.Full) || row.fails != "" && (err == nil || !strings.Contains(err.Error(), row.fails) || a.Decision != "") {
					t.Errorf("%+v, %v", a, err)
				}
				if len(s.keys) != row.tries || time.Since(began) != row.most {
					t.Errorf("%d tries in %v, want %d in %v", len(s.keys), time.Since(began), row.tries, row.most)
				}
				for _, key := range s.keys {
					if key == "" || key != s.keys[0] {
						t.Errorf("the keys are %q", s.keys)
					}
				}
			})
		})
	}
}

// A gate whose gateway is away lets nobody in, unless its owner chose so; and a page
// gets the challenge.
func TestGate_LetsInOnlyWhomTheGatewayAllows(t *testing.T) {
	puzzle := `{"decision":"challenge","reason":"challenge_required","assurance":"none","mode":"degraded","attempts":0,"decision_id":"x","challenge":{"parameters":{}}}`
	for _, row := range []struct {
		name   string
		step   func(*http.Request) (*http.Response, error)
		status int
		body   string
	}{
		{"allowed", says(200, allowed), 200, "in"},
		{"challenged", says(200, puzzle), 403, `{"decision":"challenge","decision_id":"x","challenge":{"parameters":{}}}`},
		{"a decision nobody knows", says(200, strings.Replace(allowed, "allow", "ponder", 1)), 403, `{"decision":"ponder","decision_id":"x"}`},
		{"a gateway that is away", breaks, 503, "nobody can be verified now; please try again"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := client.Gate{Client: &client.Client{URL: "http://gateway.test", HTTP: &http.Client{Transport: &script{steps: []func(*http.Request) (*http.Response, error){row.step}}}}}
				h := gate.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
				r := httptest.NewRequestWithContext(t.Context(), "POST", "/login", strings.NewReader(url.Values{"ticket": {"t"}}.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != row.status || strings.TrimSpace(w.Body.String()) != row.body {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		})
	}
}

// Whoever copies the folder needs nothing else.
func TestClient_IsMadeOfTheStandardLibrary(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range parsed.Imports {
			path, _ := strconv.Unquote(of.Path.Value)
			if strings.Contains(path, ".") || strings.HasPrefix(path, "captchagate/") && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}
