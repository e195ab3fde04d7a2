// Package demo is the demonstration: a login page with switches that break
// things, and the small backend behind it. It speaks to gateway and simulator
// as any shop would, over HTTP.
package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed page
var files embed.FS

const (
	mostBody   = 64 << 10         // bytes of any body, either way
	patience   = 10 * time.Second // for any call to gateway or simulator
	mostEvents = 30
)

// Config says where the others are. All three are required, as
// "http://host:port".
type Config struct {
	Gateway   string // its listener for backends
	Admin     string // its operators' listener
	Simulator string // the simulated Captcha API
	Policy    string // Content-Security-Policy of the page; "" = none
	Token     string // of an operator; "" where none is asked for
	Fleet     Fleet  // nil for one instance
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	var mistakes []error
	for key, address := range map[string]string{"gateway": c.Gateway, "admin": c.Admin, "simulator": c.Simulator} {
		if u, err := url.Parse(address); err != nil || u.Scheme != "http" || u.Host == "" {
			mistakes = append(mistakes, fmt.Errorf("%s: must be an address such as http://127.0.0.1:8080, is %q", key, address))
		}
	}
	return errors.Join(mistakes...)
}

// Demo is the demonstration's page and backend.
type Demo struct {
	cfg    Config
	http   *http.Client
	routes http.Handler
	crowd  *crowd
	story  *story
}

// New prepares the demonstration. The error lists what is wrong with cfg.
func New(cfg Config) (*Demo, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Demo{cfg: cfg, story: &story{}, http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	d.crowd = &crowd{demo: d}
	pages, err := fs.Sub(files, "page")
	if err != nil {
		return nil, err
	}
	m := http.NewServeMux()
	m.Handle("GET /demo/", d.guarded(http.StripPrefix("/demo/", http.FileServerFS(pages))))
	m.HandleFunc("POST /demo/login", d.login)
	m.HandleFunc("PUT /demo/break", d.breaks)
	m.HandleFunc("GET /demo/status", d.status)
	m.HandleFunc("POST /demo/auto", d.auto)
	m.HandleFunc("PUT /demo/process", d.process)
	d.routes = http.NewCrossOriginProtection().Handler(m)
	return d, nil
}

// ServeHTTP serves /demo/ and what is below it.
func (d *Demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	d.routes.ServeHTTP(w, r)
}

func (d *Demo) guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.cfg.Policy != "" {
			w.Header().Set("Content-Security-Policy", d.cfg.Policy)
		}
		h.ServeHTTP(w, r)
	})
}

// call asks one of the others and decodes its JSON answer.
func (d *Demo) call(ctx context.Context, method, address string, body, answer any) error {
	_, err := d.ask(ctx, method, address, body, answer)
	return err
}

// ask does so, and returns which instance answered, where there are several.
func (d *Demo) ask(ctx context.Context, method, address string, body, answer any) (instance string, err error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		content = strings.NewReader(string(text))
	}
	r, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if d.cfg.Token != "" && strings.HasPrefix(address, d.cfg.Admin) {
		r.Header.Set("Authorization", "Bearer "+d.cfg.Token)
	}
	w, err := d.http.Do(r)
	if err != nil {
		return "", err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(io.LimitReader(w.Body, mostBody))
	if err != nil {
		return "", err
	}
	if w.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %d: %s", address, w.StatusCode, text)
	}
	return w.Header.Get(InstanceHeader), json.Unmarshal(text, answer)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}

func refuse(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, map[string]any{"status": status, "detail": detail})
}
