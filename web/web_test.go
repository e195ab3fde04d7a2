package web_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"captchagate/web"
)

// mostBytes is what a script may weigh, compressed.
const mostBytes = 6 << 10

var scripts = []string{"captcha.js", "challenge.js", "solver.js"}

func newClient(t *testing.T, cfg web.Config) *web.Client {
	t.Helper()
	c, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestClient_ScriptsAreSmall(t *testing.T) {
	c := newClient(t, web.Config{})
	for _, name := range scripts {
		w := get(c, "GET", "/client/"+name, "Accept-Encoding", "br, gzip")
		if n := w.Body.Len(); n > mostBytes || n != c.Size(name) || w.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s is %d bytes compressed, must be at most %d", name, n, mostBytes)
		}
		t.Logf("%s: %d bytes compressed, %s", name, c.Size(name), c.Integrity(name))
	}
}

func TestClient_ServesTheSameTextInEveryForm(t *testing.T) {
	c := newClient(t, web.Config{})
	for _, name := range append(scripts, "captcha.d.ts", "challenge.d.ts", "solver.d.ts") {
		plain := get(c, "GET", "/client/"+name, "Accept-Encoding", "gzip;q=0, identity")
		if plain.Code != http.StatusOK || plain.Header().Get("Content-Encoding") != "" {
			t.Fatalf("%s: %d", name, plain.Code)
		}
		packed := get(c, "GET", "/client/"+name, "Accept-Encoding", "gzip")
		r, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || !bytes.Equal(text, plain.Body.Bytes()) {
			t.Errorf("%s: another text where compressed (%v)", name, err)
		}
		for _, header := range []string{"ETag", "Vary", "Content-Type", "Access-Control-Allow-Origin", "X-Content-Type-Options"} {
			if plain.Header().Get(header) == "" || plain.Header().Get(header) != packed.Header().Get(header) {
				t.Errorf("%s: %s is %q, and %q compressed", name, header, plain.Header().Get(header), packed.Header().Get(header))
			}
		}
		if w := get(c, "GET", "/client/"+name, "If-None-Match", `"other", W/`+plain.Header().Get("ETag")); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("%s: %d for what the browser has", name, w.Code)
		}
		if strings.Contains(plain.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s may change under its plain name, but is %q", name, plain.Header().Get("Cache-Control"))
		}
	}
}

func TestClient_VersionedAddressesNeverChange(t *testing.T) {
	c := newClient(t, web.Config{})
	other := newClient(t, web.Config{LoadTimeout: time.Second})
	if c.Path("captcha.js") == other.Path("captcha.js") || c.Path("challenge.js") != other.Path("challenge.js") {
		t.Errorf("addresses %s and %s", c.Path("captcha.js"), other.Path("captcha.js"))
	}
	for _, name := range scripts {
		path := c.Path(name)
		if !regexp.MustCompile(`^/client/` + strings.TrimSuffix(name, ".js") + `\.[0-9a-f]{8}\.js$`).MatchString(path) {
			t.Errorf("%s is at %s", name, path)
		}
		w := get(c, "GET", path)
		if got := w.Header().Get("Cache-Control"); w.Code != http.StatusOK || got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %q", path, w.Code, got)
		}
		sum := sha512.Sum384(w.Body.Bytes())
		if want := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); c.Integrity(name) != want {
			t.Errorf("%s: integrity %s, want %s", name, c.Integrity(name), want)
		}
	}
	if w := get(c, "GET", other.Path("captcha.js")); w.Code != http.StatusFound || w.Header().Get("Location") != "captcha.js" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("an address of another version: %d %v", w.Code, w.Header())
	}
	for _, path := range []string{"nothing.1a2b3c4d.js", "captcha.1a2b3c4.js", "captcha.1a2b3c4G.js", "captcha.1a2b3c4d.ts", "captcha.d.js"} {
		if w := get(c, "GET", "/client/"+path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if c.Integrity("nothing.js") != "" || c.Path("captcha.d.ts") != "" {
		t.Error("files that are no scripts have an integrity or a versioned address")
	}
}

func TestClient_IndexTellsAddressesAndIntegrity(t *testing.T) {
	c := newClient(t, web.Config{})
	var index struct {
		Files []struct{ Path, Versioned, Integrity string }
		CSP   string `json:"content_security_policy"`
	}
	w := get(c, "GET", "/client/")
	if err := json.Unmarshal(w.Body.Bytes(), &index); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if len(index.Files) != 6 || index.Files[1].Path != "/client/captcha.js" || index.Files[1].Versioned != c.Path("captcha.js") || index.Files[1].Integrity != c.Integrity("captcha.js") {
		t.Errorf("the index: %s", w.Body)
	}
	if index.CSP != c.Policy("") {
		t.Errorf("the policy: %s", index.CSP)
	}
}

func TestClient_RefusesWhatItDoesNotHave(t *testing.T) {
	c := newClient(t, web.Config{})
	for _, row := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/client/captcha.js", 405}, {"OPTIONS", "/client/captcha.js", 405}, {"HEAD", "/client/captcha.js", 200},
		{"GET", "/client/../web.go", 404}, {"GET", "/client/client/captcha.js", 404}, {"GET", "/client/captcha.js/", 404}, {"GET", "/elsewhere", 404},
	} {
		if w := get(c, row.method, row.path); w.Code != row.want {
			t.Errorf("%s %s: %d, want %d", row.method, row.path, w.Code, row.want)
		}
	}
}

func TestClient_PutsTheConfigurationIntoTheScripts(t *testing.T) {
	c := newClient(t, web.Config{Script: "https://example.test/a.js?x=<!--", LoadTimeout: 1500 * time.Millisecond, Reports: -1, TicketLife: time.Minute, EncryptAppID: web.EncryptCBC})
	versioned := func(name string) string { return strings.TrimPrefix(c.Path(name), "/client/") }
	for name, values := range map[string][]string{
		"captcha.js":   {"https://example.test/a.js?x=<!--", ":1500", ":6e4", "app:24e4", versioned("challenge.js"), c.Integrity("challenge.js")},
		"challenge.js": {versioned("solver.js"), c.Integrity("solver.js")},
	} {
		text := get(c, "GET", "/client/"+name).Body.String()
		for _, value := range values {
			if strings.Count(text, value) != 1 {
				t.Errorf("%s has %s %d times", name, value, strings.Count(text, value))
			}
		}
	}
	for _, name := range scripts {
		if text := get(c, "GET", "/client/"+name).Body.String(); strings.Contains(text, "innerHTML") || strings.Contains(text, "eval(") {
			t.Errorf("%s writes HTML or evaluates text", name)
		}
	}
}

// The README shows the header that is served.
func TestClient_PolicyIsTheREADMEs(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if policy := newClient(t, web.Config{}).Policy(""); !strings.Contains(string(readme), "\n"+policy+"\n") {
		t.Errorf("README.md does not show %s", policy)
	}
}

func TestConfig_ListsEveryMistake(t *testing.T) {
	_, err := web.New(web.Config{Script: "javascript:alert(1)", LoadTimeout: -1, Reports: 2, TicketLife: -1, EncryptAppID: "ecb"})
	for _, key := range []string{"script: ", "load_timeout: ", "reports: ", "ticket_life: ", "encrypt_app_id: "} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("no mistake of %s in %v", key, err)
		}
	}
}

func TestAppID_NeedsAKeyAndAKnownWay(t *testing.T) {
	for how, secret := range map[string]string{"": "k", "ecb": "k", web.EncryptCBC: "", web.EncryptGCM: ""} {
		if _, err := web.NewAppID(how, 1, secret); err == nil {
			t.Errorf("%q with the key %q is taken", how, secret)
		}
	}
}

func TestClient_PolicyNamesTheScriptsHosts(t *testing.T) {
	for _, row := range []struct{ name, script, gateway, want string }{
		{"China", "", "", "script-src 'self' https://turing.captcha.qcloud.com https://turing.captcha.gtimg.com;"},
		{"international", "https://ca.turing.captcha.qcloud.com/TJNCaptcha-global.js", "", "script-src 'self' https://ca.turing.captcha.qcloud.com https://turing"},
		{"a stand-in", "http://127.0.0.1:8082/TJCaptcha.js", "", "script-src 'self' http://127.0.0.1:8082;"},
		{"a gateway elsewhere", "", "https://gate.example", "connect-src 'self' https://gate.example https://turing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := newClient(t, web.Config{Script: row.script}).Policy(row.gateway)
			if !strings.Contains(got, row.want) || strings.Contains(got, "unsafe") {
				t.Errorf("policy %s, want %s in it", got, row.want)
			}
		})
	}
}
