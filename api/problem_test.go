package api_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"captchagate/api"
)

// writer is a recorder that knows whether it was written to.
type writer struct {
	*httptest.ResponseRecorder
	written bool
}

func (w *writer) Written() bool { return w.written }

func (w *writer) WriteHeader(status int) {
	w.written = true
	w.ResponseRecorder.WriteHeader(status)
}

func TestGuard_AnswersForWhatPanics(t *testing.T) {
	var log bytes.Buffer
	w := &writer{ResponseRecorder: httptest.NewRecorder()}
	ok := api.Guard(w, "/v1/thing", slog.New(slog.NewTextHandler(&log, nil)), func() { panic(errors.New("secret-of-somebody")) })
	if ok || w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v, %d %v", ok, w.Code, w.Header())
	}
	for _, part := range []string{"/v1/thing", "*errors.errorString", "TestGuard_AnswersForWhatPanics"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not say %s: %s", part, log.String())
		}
	}
	if strings.Contains(log.String()+w.Body.String(), "secret") {
		t.Errorf("what it panicked with got out: %s %s", log.String(), w.Body)
	}
}

func TestGuard_LeavesAnAnswerAloneThatBegan(t *testing.T) {
	w := &writer{ResponseRecorder: httptest.NewRecorder()}
	ok := api.Guard(w, "/", slog.New(slog.DiscardHandler), func() {
		w.WriteHeader(http.StatusOK)
		panic("late")
	})
	if ok || w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("%v, %d %s", ok, w.Code, w.Body)
	}
}

func TestGuard_LetsAnAbortThrough(t *testing.T) {
	defer func() {
		if cause := recover(); cause != any(http.ErrAbortHandler) {
			t.Errorf("it panicked with %v", cause)
		}
	}()
	api.Guard(&writer{ResponseRecorder: httptest.NewRecorder()}, "/", slog.New(slog.DiscardHandler), func() { panic(http.ErrAbortHandler) })
}

func TestGuard_SaysThatAllWentWell(t *testing.T) {
	if !api.Guard(&writer{ResponseRecorder: httptest.NewRecorder()}, "/", slog.New(slog.DiscardHandler), func() {}) {
		t.Error("not ok")
	}
}

func TestProblem_SaysAllOfItAsAnError(t *testing.T) {
	p := &api.Problem{Detail: "refused"}
	if p.Error() != "refused" {
		t.Error(p)
	}
	p.Errors = []api.Mistake{{Field: "a", Detail: "is wrong"}, {Field: "b", Detail: "is too"}}
	if got := p.Error(); got != "refused: a: is wrong; b: is too" {
		t.Error(got)
	}
}
