package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const prefix = "/client/"

// Cache rules: a script under its hash never changes; under its plain name it
// is fetched again soon, and cheaply where it is still the same.
const (
	forEver   = "public, max-age=31536000, immutable"
	shortTime = "public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800"
)

// ServeHTTP serves GET and HEAD of /client/ and what is below it. The files are
// the same for everybody and hold no secret, so any page may load them.
func (c *Client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this path knows GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, prefix)
	if ok && name == "" {
		c.serveIndex(w)
		return
	}
	f := c.files[name]
	if f == nil {
		h.Set("Cache-Control", "no-store")
		if plain := c.plain[unversioned(name)]; ok && plain != nil {
			// Relative, because a proxy may have the files elsewhere.
			h.Set("Location", plain.name)
			w.WriteHeader(http.StatusFound)
			return
		}
		http.Error(w, "there is no such file; GET /client/ lists them", http.StatusNotFound)
		return
	}
	h.Set("Cache-Control", shortTime)
	if name == f.versioned {
		h.Set("Cache-Control", forEver)
	}
	f.serve(w, r)
}

// unversioned is the plain name of a script at the address of another version:
// a page that was written before the gateway was updated, or by another of a
// fleet. Where it names an integrity its browser still refuses other content.
func unversioned(name string) string {
	parts := strings.Split(name, ".")
	if len(parts) != 3 || parts[2] != "js" || len(parts[1]) != 8 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[0] + ".js"
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", f.etag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", f.kind)
	if sameTag(r.Header.Values("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := f.text
	if takesGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		text = f.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the client may be gone
}

// listed is a file in the index.
type listed struct {
	Path      string `json:"path"`
	Versioned string `json:"versioned,omitempty"`
	Integrity string `json:"integrity,omitempty"`
	Bytes     int    `json:"bytes"`
	Gzip      int    `json:"gzip"`
}

// serveIndex tells a backend which versioned address to write into its pages,
// and with which integrity.
func (c *Client) serveIndex(w http.ResponseWriter) {
	var all []listed
	for _, f := range c.plain {
		l := listed{Path: prefix + f.name, Integrity: f.integrity, Bytes: len(f.text), Gzip: len(f.packed)}
		if f.versioned != "" {
			l.Versioned = prefix + f.versioned
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.Path, b.Path) })
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	_ = json.NewEncoder(w).Encode(map[string]any{"files": all, "content_security_policy": c.Policy("")}) // the client may be gone
}

func sameTag(asked []string, etag string) bool {
	for _, line := range asked {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == etag || one == "*" {
				return true
			}
		}
	}
	return false
}

// takesGzip reports whether gzip is accepted, and not with a quality of 0.
func takesGzip(asked []string) bool {
	for _, line := range asked {
		for one := range strings.SplitSeq(line, ",") {
			coding, quality, _ := strings.Cut(strings.ReplaceAll(one, " ", ""), ";q=")
			if q, err := strconv.ParseFloat(quality, 64); (coding == "gzip" || coding == "*") && (quality == "" || err == nil && q > 0) {
				return true
			}
		}
	}
	return false
}
