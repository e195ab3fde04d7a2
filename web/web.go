// Package web is what a browser loads: the page script, the alternate
// challenge's element, its solver and their types. All of it is plain JavaScript
// that stands in client/; it is served with its configuration put in, and
// without what only readers need.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/js"
)

//go:embed client/*.js client/*.d.ts
var files embed.FS

// ticketLife is how long the page takes a ticket for good: the API's five
// minutes but for the way to it.
const ticketLife = 290 * time.Second

// defaultReports is the share of load failures that pages report.
const defaultReports = 0.25

// ecmaScript is the edition of the language that the scripts keep to.
const ecmaScript = 2019

const defaultScript = "https://turing.captcha.qcloud.com/TJCaptcha.js"

// Client is the files for pages, as they are served.
type Client struct {
	files  map[string]*file // by the name under /client/
	plain  map[string]*file // scripts and types by their plain name
	script string
}

// A file is served under its plain name and, a script, under one that has its
// hash.
type file struct {
	name, versioned string
	kind            string // content type
	text, packed    []byte // packed = gzip
	etag, integrity string
}

// New prepares the files for cfg. The error lists what is wrong with it.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{files: map[string]*file{}, plain: map[string]*file{}, script: cfg.Script}
	solver := c.addScript("solver.js", nil)
	challenge := c.addScript("challenge.js", map[string]any{"solver": solver.versioned, "integrity": solver.integrity})
	var kept time.Duration // 0 = the app id is not encrypted
	if cfg.EncryptAppID != "" {
		kept = appIDKept
	}
	c.addScript("captcha.js", map[string]any{
		"script": cfg.Script, "loadTimeout": cfg.LoadTimeout.Milliseconds(), "ticketLife": cfg.TicketLife.Milliseconds(),
		"reports": max(cfg.Reports, 0), "app": kept.Milliseconds(), "challenge": challenge.versioned, "integrity": challenge.integrity,
	})
	for _, name := range []string{"captcha.d.ts", "challenge.d.ts", "solver.d.ts"} {
		c.add(name, read(name))
	}
	return c, nil
}

func read(name string) []byte {
	text, err := files.ReadFile("client/" + name)
	if err != nil {
		panic(err) // embedded: it is there
	}
	return text
}

// addScript adds a script with its configuration, if it has any.
func (c *Client) addScript(name string, served map[string]any) *file {
	text := read(name)
	if served != nil {
		text = configured(name, text, served)
	}
	return c.add(name, minified(name, text))
}

// configured puts the configuration into a script: the line that begins so is
// replaced.
func configured(name string, text []byte, served map[string]any) []byte {
	const begin = "  const served = {"
	line, err := json.Marshal(served) // json keeps it fit for a script: it escapes U+2028
	before, rest, found := bytes.Cut(text, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte("};\n"))
	if err != nil || !found || !ended {
		panic("web: " + name + " has no line for its configuration")
	}
	return bytes.Join([][]byte{before, []byte("  const served = "), line, []byte(";\n"), after}, nil)
}

// minified is a script without what only readers need, in no newer syntax.
func minified(name string, text []byte) []byte {
	var b bytes.Buffer
	if err := (&js.Minifier{Version: ecmaScript}).Minify(minify.New(), &b, bytes.NewReader(text), nil); err != nil {
		panic("web: " + name + " is no script: " + err.Error()) // embedded, and tested
	}
	return b.Bytes()
}

func (c *Client) add(name string, text []byte) *file {
	f := &file{name: name, text: text, packed: pack(text)}
	short := sha256.Sum256(text)
	hash := hex.EncodeToString(short[:4])
	f.etag = `"` + hex.EncodeToString(short[:8]) + `"`
	f.kind = "text/plain; charset=utf-8"
	c.files[name], c.plain[name] = f, f
	if base, script := strings.CutSuffix(name, ".js"); script {
		f.kind = "text/javascript; charset=utf-8"
		f.versioned = base + "." + hash + ".js"
		long := sha512.Sum384(text)
		f.integrity = "sha384-" + base64.StdEncoding.EncodeToString(long[:])
		c.files[f.versioned] = f
	}
	return f
}

func pack(text []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is right
	_, _ = w.Write(text)                                  // into memory: cannot fail
	_ = w.Close()
	return b.Bytes()
}

// Integrity is the value for a script tag's integrity attribute; "" where there
// is no such script. The name is plain: "captcha.js".
func (c *Client) Integrity(name string) string {
	if f := c.plain[name]; f != nil {
		return f.integrity
	}
	return ""
}

// Path is the address of the script that never changes its content:
// "/client/captcha.1a2b3c4d.js"; "" where there is no such script.
func (c *Client) Path(name string) string {
	if f := c.plain[name]; f != nil && f.versioned != "" {
		return prefix + f.versioned
	}
	return ""
}

// Size is how many bytes of name travel, compressed.
func (c *Client) Size(name string) int {
	if f := c.plain[name]; f != nil {
		return len(f.packed)
	}
	return 0
}

// Policy is the Content-Security-Policy that a page needs for Tencent's script
// and ours, both from where the configuration has them. Gateway is the origin
// that ours come from; "" = the page's own.
func (c *Client) Policy(gateway string) string { return policy(c.script, gateway) }

var _ http.Handler = (*Client)(nil)
