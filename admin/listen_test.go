package admin_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"captchagate/admin"
)

// patience is for a busy machine.
const patience = time.Minute

// Over a real connection a stream outlives the time limits of requests, tells what happens
// as it does, and ends when the gateway drains, which waits for it.
func TestListen_OverARealConnection(t *testing.T) {
	d := build(t, tokens)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: d, ReadTimeout: 300 * time.Millisecond, WriteTimeout: 300 * time.Millisecond}
	server.RegisterOnShutdown(d.server.EndStreams)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	client := &admin.Client{URL: "http://" + l.Addr().String(), Token: viewerToken}
	heard, ended := make(chan admin.Status, 100), make(chan error, 1)
	go func() { ended <- client.Listen(t.Context(), func(s admin.Status) { heard <- s }) }()
	if s := next(t, heard); s.Mode != "normal" {
		t.Errorf("at once: %+v", s)
	}
	<-time.After(700 * time.Millisecond) // longer than both time limits
	d.setStatus(func(s *admin.Status) { s.Mode = "degraded" })
	if s := next(t, heard); s.Mode != "degraded" {
		t.Errorf("after a change: %+v", s)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, server.Shutdown(ctx))
	if err := next(t, ended); err == nil || !strings.Contains(err.Error(), "ended the stream") {
		t.Errorf("the client says %v", err)
	}
	<-served
}

func next[T any](t *testing.T, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return got
}

// The client says what is wrong, as for every other question.
func TestListen_SaysWhyThereIsNoStream(t *testing.T) {
	d := build(t, tokens)
	client := &admin.Client{URL: "http://127.0.0.1", Token: "wrong", HTTP: &http.Client{Transport: handled{d}}}
	if err := client.Listen(t.Context(), func(admin.Status) { t.Error("a status") }); err == nil || !strings.Contains(err.Error(), "wants a token") {
		t.Errorf("with a wrong token: %v", err)
	}
}

// The story is text that a terminal may show.
func TestClient_TellsAnIncident(t *testing.T) {
	d := build(t, tokens)
	d.incident = anOutage()
	d.incident.Parts[1].Evidence = "forced by ops: \x1b[2J"
	client := &admin.Client{URL: "http://127.0.0.1", Token: viewerToken, HTTP: &http.Client{Transport: handled{d}}}
	story, err := client.Story(t.Context(), d.incident.ID)
	if err != nil || !strings.Contains(story, "12 345 | 0 |") || strings.Contains(story, "\x1b") {
		t.Errorf("%v\n%s", err, story)
	}
	if i, err := client.Incident(t.Context(), d.incident.ID); err != nil || i.Spared != 18231 {
		t.Errorf("%v %+v", err, i)
	}
	if _, err := client.Story(t.Context(), "another"); err == nil || !strings.Contains(err.Error(), "no incident of this id") {
		t.Errorf("of another: %v", err)
	}
	if list, err := client.Incidents(t.Context()); err != nil || len(list) != 100 {
		t.Errorf("%v, %d incidents", err, len(list))
	}
}

// handled is a transport that asks a handler.
type handled struct{ http.Handler }

// RoundTrip asks.
func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	r.RemoteAddr = "127.0.0.1:50000"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}
