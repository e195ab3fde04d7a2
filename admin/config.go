package admin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"captchagate/certs"
)

// A Role is what a token may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // reads
	Operator Role = "operator" // also sets
)

// Config is the section "admin" of the configuration.
type Config struct {
	Listen string       `yaml:"listen"`     // host:port of the operators' listener
	TLS    certs.Config `yaml:"tls"`        // of it
	File   string       `yaml:"token_file"` // holds the token that is made if Tokens is empty; required then
	// PublicURL is where operators reach the listener, for links; "" = there are none.
	PublicURL string  `yaml:"public_url"`
	Tokens    []Token `yaml:"tokens"`
	Demo      bool    `yaml:"-"` // without Tokens whoever is on this machine is an operator; no file says so
}

// URL is where a command on the same machine reaches the listener of c; "" if only a
// running gateway knows.
func (c Config) URL() string { return c.TLS.URL(c.Listen) }

// A Token lets its bearer in.
type Token struct {
	Name  string `yaml:"name"` // the actor in the audit
	Role  Role   `yaml:"role"`
	Token string `yaml:"token"`
}

// Validate lists every mistake in c, each as "key: what is wrong".
func (c Config) Validate() error {
	mistakes := []error{c.validateListen(), c.validateFile(), c.validatePublicURL()}
	names, tokens := map[string]bool{}, map[string]bool{}
	for i, token := range c.Tokens {
		add := func(key, format string, args ...any) {
			mistakes = append(mistakes, fmt.Errorf("tokens[%d].%s: %s", i, key, fmt.Sprintf(format, args...)))
		}
		switch {
		case token.Name == "":
			add("name", "is empty; name who has the token, for the audit")
		case names[token.Name]:
			add("name", "%q is listed twice; give each token a name of its own", token.Name)
		}
		if token.Role != Viewer && token.Role != Operator {
			add("role", "must be viewer or operator, is %q", string(token.Role))
		}
		switch { // never quote the token
		case token.Token == "":
			add("token", "is empty; take a random one, for instance from: openssl rand -hex 24")
		case strings.ContainsFunc(token.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
			add("token", "must be printable ASCII without spaces, because it travels in a header")
		case tokens[token.Token]:
			add("token", "is listed twice; give each its own")
		}
		names[token.Name], tokens[token.Token] = true, true
	}
	return errors.Join(mistakes...)
}

func (c Config) validateFile() error {
	if c.File == "" && len(c.Tokens) == 0 && !c.Demo {
		return errors.New("token_file: is empty, and so is admin.tokens: everybody on this machine would be an operator; name the file that holds the operators' token, such as data/admin.token")
	}
	return nil
}

func (c Config) validateListen() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if n, convErr := strconv.Atoi(port); err != nil || convErr != nil || n < 0 || n > 65535 {
		return fmt.Errorf("listen: must be host:port, for instance 127.0.0.1:8081, is %q", c.Listen)
	}
	if len(c.Tokens) == 0 && !loopback(host) {
		return fmt.Errorf("listen: %s can be reached from other machines and admin.tokens is empty; set a token, or listen on 127.0.0.1", c.Listen)
	}
	return nil
}

// loopback reports whether host, without a port, is this machine by its own
// address. Of names only localhost is: any other can be made to point here.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// public is PublicURL, nil if there is none.
func (c Config) public() *url.URL {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" {
		return nil
	}
	return u
}

func (c Config) validatePublicURL() error {
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return nil
	}
	return errors.New("public_url: must be an address such as https://gateway.example, without user, query and fragment; an empty one makes no links")
}
