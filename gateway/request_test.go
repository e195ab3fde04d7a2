package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"

	"captchagate/config"
	"captchagate/public"
)

// left marks a field that a request leaves out.
var left = struct{}{}

// request is a well-formed body, changed.
func request(change fields) string {
	f := fields{"ticket": "tr03ticket", "randstr": "@abc", "user_ip": "192.0.2.1", "scene": "login"}
	maps.Copy(f, change)
	maps.DeleteFunc(f, func(_ string, v any) bool { return v == left })
	body, _ := json.Marshal(f)
	return string(body)
}

// put writes a value in a JSON text as it stands, right or wrong.
func put(field, value string) string {
	return strings.Replace(request(fields{field: left}), "{", `{"`+field+`":`+value+`,`, 1)
}

// problem is an error as RFC 9457 writes it.
type problem struct {
	Type, Title, Detail string
	Status              int
	Errors              []struct{ Field, Detail string }
}

// named are the bad fields that the problem names, sorted.
func (p problem) named() string {
	var names []string
	for _, e := range p.Errors {
		names = append(names, e.Field)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// refuses checks that an answer is a problem of that status which names these
// fields and no other.
func (h *house) refuses(name string, w *httptest.ResponseRecorder, status int, named ...string) {
	h.t.Helper()
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status {
		h.t.Errorf("%s: got %d %s (%v), want a problem of status %d", name, w.Code, w.Body, err, status)
		return
	}
	slices.Sort(named)
	if p.named() != strings.Join(named, " ") {
		h.t.Errorf("%s: names %q, want %q", name, p.named(), named)
	}
}

// untouched checks that no call was made and the breaker counted nothing.
func (h *house) untouched(name string) {
	h.t.Helper()
	if n := h.sim.Stats().Requests; n != 0 {
		h.t.Errorf("%s: %d calls reached the Captcha API", name, n)
		h.sim.ResetStats()
	}
	if b := h.status().Breaker; b.Requests+b.Failures+b.Slow+b.ConsecutiveFailures != 0 {
		h.t.Errorf("%s: the breaker counted %+v", name, b)
	}
}

func (h *house) post(body string, header ...string) *httptest.ResponseRecorder {
	w, _ := h.send(h.public, "POST", "/v1/verify", body, append(header, "Content-Type", "application/json")...)
	return w
}

// shopAndBlog are two backends: one for all scenes, one for comments only.
func shopAndBlog(c *config.Config) {
	c.APIKeys = []public.APIKey{{Name: "shop", Key: "shop-key-0123456789"}, {Name: "blog", Key: "blog-key-0123456789", Scenes: []string{"comment"}}}
}
