package public_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/public"
)

// Visitors behind a proxy are told apart, with or without ports; of a proxy that
// names none the log says so once, without what stands in the header.
func TestVisitor_IsReadAsProxiesWriteIt(t *testing.T) {
	behind := func(c *public.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	}
	for _, row := range []struct {
		name      string
		forwarded []string
		want      string
		told      string // which proxy
	}{
		{"an address", []string{"203.0.113.7"}, "203.0.113.7", ""},
		{"with a port", []string{"203.0.113.7:51234"}, "203.0.113.7", ""},
		{"IPv6", []string{"2001:db8::7"}, "2001:db8::7", ""},
		{"IPv6 that ends like a port", []string{"2001:db8::7:443"}, "2001:db8::7:443", ""},
		{"IPv6 in brackets", []string{"[2001:db8::7]"}, "2001:db8::7", ""},
		{"IPv6 with a port", []string{"[2001:db8::7]:443"}, "2001:db8::7", ""},
		{"IPv4 written as IPv6", []string{"[::ffff:203.0.113.7]:443"}, "203.0.113.7", ""},
		{"two proxies with ports", []string{"198.51.100.1:1", "203.0.113.7:51234, 10.1.0.2:8080"}, "203.0.113.7", ""},
		{"a name", []string{"203.0.113.7, visitor-of-a-shop"}, "10.1.0.1", "10.1.0.1"},
		{"IPv4 in brackets", []string{"[203.0.113.7]"}, "10.1.0.1", "10.1.0.1"},
		{"half a bracket", []string{"[2001:db8::7"}, "10.1.0.1", "10.1.0.1"},
		{"a port beyond all", []string{"203.0.113.7:70000"}, "10.1.0.1", "10.1.0.1"},
		{"nothing at the end", []string{"203.0.113.7,"}, "10.1.0.1", "10.1.0.1"},
		{"no header", nil, "10.1.0.1", "10.1.0.1"},
		{"the second proxy names none", []string{"unknown, 10.1.0.2:8080"}, "10.1.0.2", "10.1.0.2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			atDoor(t, behind, func(d *door) {
				for range 3 {
					r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/client-events", strings.NewReader(report))
					r.RemoteAddr = "10.1.0.1:40000"
					r.Header["X-Forwarded-For"] = row.forwarded
					d.bare.ServeHTTP(httptest.NewRecorder(), r)
				}
				if d.visitor.String() != row.want {
					t.Errorf("the visitor is %v, want %s", d.visitor, row.want)
				}
				want, lines := 0, d.log.String()
				if row.told != "" {
					want = 1
				}
				if n := strings.Count(lines, "X-Forwarded-For"); n != want || !strings.Contains(lines, row.told) {
					t.Errorf("told %d times, want %d, of %q: %s", n, want, row.told, lines)
				}
				if strings.Contains(lines, "visitor-of-a-shop") {
					t.Errorf("repeats the header: %s", lines)
				}
			})
		})
	}
}

// A page of an origin that was not allowed is told of in the log, once a minute,
// and never one that may read the answer.
func TestCORS_SaysWhichOriginMayNotRead(t *testing.T) {
	origins := func(c *public.Config) { c.AllowedOrigins = []string{"https://shop.example"} }
	synctest.Test(t, func(t *testing.T) {
		atDoor(t, origins, func(d *door) {
			asks := func(name string, told int, header ...string) {
				t.Helper()
				d.log.Reset()
				for _, path := range []string{"/v1/mode?scene=login", "/v1/challenge?scene=login", "/v1/mode?scene=login"} {
					d.send("GET", path, "", header...)
				}
				d.send("POST", "/v1/client-events", report, header...)
				if n := strings.Count(d.log.String(), "client.allowed_origins"); n != told {
					t.Errorf("%s: told %d times, want %d: %s", name, n, told, d.log.String())
				}
			}
			asks("no origin", 0)
			asks("allowed", 0, "Origin", "https://shop.example")
			asks("the page's own", 0, "Origin", "https://gateway.example", "Sec-Fetch-Site", "same-origin")
			asks("forgotten", 1, "Origin", "https://forum.example", "Sec-Fetch-Site", "same-site")
			if !strings.Contains(d.log.String(), "origin=https://forum.example") {
				t.Errorf("does not name it: %s", d.log.String())
			}
			asks("again within the minute", 0, "Origin", "https://forum.example")
			asks("of no form", 1, "Origin", "https://forum.example/?user=anna")
			if strings.Contains(d.log.String(), "anna") {
				t.Errorf("repeats what was sent: %s", d.log.String())
			}
			d.log.Reset()
			if d.send("GET", "/v1/mode?scene=nowhere", "", "Origin", "https://scanner.example"); d.log.Len() > 0 {
				t.Errorf("told of who asks about no scene of ours: %s", d.log.String())
			}
			time.Sleep(time.Minute)
			asks("a minute later", 1, "Origin", "https://forum.example")
			time.Sleep(time.Minute)
			d.log.Reset()
			for i := range 100 {
				d.send("GET", "/v1/mode?scene=login", "", "Origin", "https://"+strings.Repeat("x", i+1)+".example")
			}
			if n := strings.Count(d.log.String(), "client.allowed_origins"); n != 16 {
				t.Errorf("of 100 origins in a minute %d were told, want 16", n)
			}
		})
	})
}
