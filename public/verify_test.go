package public_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"captchagate/public"
)

// Everything that a backend can write wrongly in the body, and what is named.
func TestVerify_RefusesWhatTheBackendWroteWrongly(t *testing.T) {
	long := strings.Repeat("x", 257)
	rows := []struct{ name, body, named string }{
		{"no user_ip", request(fields{"user_ip": left}), "user_ip"},
		{"both ticket and challenge", request(fields{"challenge": "x"}), "ticket"},
		{"an unknown field", request(fields{"tiket": "x"}), "tiket"},
		{"a field in other letters", request(fields{"Ticket": "x"}), "Ticket"},
		{"a field without a name", request(fields{"": 1}), `""`},
		{"an unknown scene", request(fields{"scene": "signup"}), "scene"},
		{"an empty scene", request(fields{"scene": ""}), "scene"},
		{"a scene in other letters", request(fields{"scene": "Login"}), "scene"},
		{"another app id", request(fields{"captcha_app_id": 190000002}), "captcha_app_id"},
		{"app id 0", request(fields{"captcha_app_id": 0}), "captcha_app_id"},
		{"a negative app id", request(fields{"captcha_app_id": -190000001}), "captcha_app_id"},
		{"a huge app id", put("captcha_app_id", "18446744073709551616"), "captcha_app_id"},
		{"a broken app id", put("captcha_app_id", "190000001.5"), "captcha_app_id"},
		{"an app id as text", request(fields{"captcha_app_id": "190000001"}), "captcha_app_id"},
		{"an unknown type", request(fields{"type": "app"}), "type"},
		{"a type in other letters", request(fields{"type": "Web"}), "type"},
		{"an empty type", request(fields{"type": ""}), "type"},
		{"a long subject", request(fields{"subject": long}), "subject"},
		{"a subject long in bytes", request(fields{"subject": strings.Repeat("€", 86)}), "subject"},
		{"half a character in the subject", put("subject", `"\ud83d"`), "subject"},
		{"a long reference", request(fields{"reference": long}), "reference"},
		{"half a character in the reference", put("reference", `"\ude00x"`), "reference"},
		{"half a character in the scene", put("scene", `"\ud83dlogin"`), "scene"},
		{"invalid UTF-8 in a name", put("a\xc3", "1"), "a\ufffd"},
		{"invalid UTF-8 in the subject", put("subject", "\"\xc0\xaf\""), "subject"},
		{"a field twice", put("scene", `"login","scene":"login"`), "scene"},
		{"a field twice, first null", put("scene", `null,"scene":"login"`), "scene scene"},
		{"a field twice, escaped once", put("scene", `"login","\u0073cene":"comment"`), "scene"},
		{"the ticket twice", put("ticket", `"a","ticket":"b"`), "ticket"},
		{"everything at once", `{"tiket":1,"captcha_app_id":7,"scene":"signup","type":"app","subject":"` + long + `","reference":["x"]}`,
			"captcha_app_id reference scene subject tiket type user_ip"},
	}
	for _, field := range []string{"user_ip", "scene", "type", "subject", "reference", "captcha_app_id"} {
		for _, value := range []string{"null", "true", "{}", `["x"]`} {
			rows = append(rows, struct{ name, body, named string }{field + " is " + value, put(field, value), field})
		}
		if field != "captcha_app_id" {
			rows = append(rows, struct{ name, body, named string }{field + " is a number", put(field, "17"), field})
		}
	}
	for _, ip := range []string{
		"", " ", "localhost", "192.0.2", "192.0.2.256", "192.0.2.01", "192.0.2.1:80", "192.0.2.0/24", " 192.0.2.1", "192.0.2.1 ",
		"192.0.2.1, 192.0.2.2", "3221225985", "[2001:db8::1]", "[2001:db8::1]:80", "2001:db8::/32", "fe80::1%eth0", "::ffff:192.0.2.1%1", "2001:db8:::1", "192.0.2.1\x00", "１.1.1.1",
	} {
		rows = append(rows, struct{ name, body, named string }{"user_ip is " + ip, request(fields{"user_ip": ip}), "user_ip"})
	}

	atDoor(t, nil, func(d *door) {
		for _, row := range rows {
			d.refuses(row.name, d.post(row.body), http.StatusBadRequest, strings.Fields(row.named)...)
			d.untouched(row.name)
		}
	})
}

// Bodies that are no JSON object at all.
func TestVerify_RefusesBrokenBodies(t *testing.T) {
	good := request(nil)
	atDoor(t, nil, func(d *door) {
		for name, body := range map[string]string{
			"empty": "", "blanks": " \n\t", "half": good[:len(good)/2], "only a brace": "{", "no value": `{"ticket"}`,
			"a comma too many": strings.Replace(good, "}", ",}", 1), "single quotes": strings.ReplaceAll(good, `"`, `'`),
			"not a number": put("captcha_app_id", "NaN"), "a number with a plus": put("captcha_app_id", "+190000001"),
			"a comment": "/* x */" + good, "a byte order mark": "\ufeff" + good, "a raw line end in a text": put("subject", "\"a\nb\""),
			"an unknown escape": put("subject", `"\x41"`),
			"an array":          "[" + good + "]", "null": "null", "a number": "17", "a text": `"x"`, "true": "true",
			"another object behind": good + good, "letters behind": good + "x", "a brace behind": good + "}",
			"UTF-16": "{\x00}\x00",
		} {
			d.refuses(name, d.post(body), http.StatusBadRequest, "body")
			d.untouched(name)
		}
	})
}

// What is wrong around the body: the header that makes a request safe to
// repeat, content types, sizes, methods and paths.
func TestVerify_RefusesWhatIsWrongAroundTheBody(t *testing.T) {
	good := request(nil)
	atDoor(t, nil, func(d *door) {
		for name, keys := range map[string][]string{
			"empty": {""}, "too long": {strings.Repeat("k", 129)}, "twice": {"a", "a"}, "a tab": {"a\tb"}, "a NUL": {"a\x00b"},
			"DEL": {"a\x7f"}, "beyond ASCII": {"ключ"},
		} {
			var header []string
			for _, key := range keys {
				header = append(header, "Idempotency-Key", key)
			}
			d.refuses("key: "+name, d.post(good, header...), http.StatusBadRequest, "Idempotency-Key")
			d.refuses("key and body: "+name, d.post(request(fields{"user_ip": "x", "y": 1}), header...), http.StatusBadRequest, "Idempotency-Key", "user_ip", "y")
		}
		for _, kind := range []string{
			"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "text/json",
			"application/json; charset=iso-8859-1", "application/json; charset=gbk", "application/json; charset", "json", "application/json, text/plain",
		} {
			var header []string
			if kind != "" {
				header = []string{"Content-Type", kind}
			}
			w := d.send("POST", "/v1/verify", good, header...)
			d.refuses("type: "+kind, w, http.StatusUnsupportedMediaType)
		}
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			w := d.send(method, "/v1/verify", good, "Content-Type", "application/json")
			d.refuses(method, w, http.StatusMethodNotAllowed)
			if w.Header().Get("Allow") != "POST" {
				t.Errorf("%s: Allow is %q", method, w.Header().Get("Allow"))
			}
		}
		for _, path := range []string{"/v1/verify/", "/v2/verify", "//v1/verify", "/"} {
			w := d.send("POST", path, good, "Content-Type", "application/json")
			d.refuses(path, w, http.StatusNotFound)
		}
		d.refuses("a body that breaks off", d.announced(100), http.StatusBadRequest, "body")
		d.untouched("around the body")
	})
}

// chunked sends a body without saying how long it is.
func (d *door) chunked(body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), "POST", "/v1/verify", io.MultiReader(strings.NewReader(body)))
	r.Header.Set("Content-Type", "application/json")
	return d.deliver(r)
}

// announced sends a request that says how long its body is, which nobody
// should read.
func (d *door) announced(length int64) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), "POST", "/v1/verify", iotest.ErrReader(errors.New("was read")))
	r.ContentLength = length
	r.Header.Set("Content-Type", "application/json")
	return d.deliver(r)
}

// What looks odd and is right.
func TestVerify_AcceptsWhatTheContractAllows(t *testing.T) {
	atDoor(t, nil, func(d *door) {
		for name, w := range map[string]*httptest.ResponseRecorder{
			"exactly 64 KiB":            d.post(request(nil) + strings.Repeat(" ", 64<<10-len(request(nil)))),
			"in chunks":                 d.chunked(request(nil)),
			"a subject of 256 bytes":    d.post(request(fields{"subject": strings.Repeat("s", 256), "reference": strings.Repeat("r", 256)})),
			"empty subject":             d.post(request(fields{"subject": "", "reference": ""})),
			"no scene":                  d.post(request(fields{"scene": left})),
			"our app id":                d.post(request(fields{"captcha_app_id": 190000001})),
			"IPv6":                      d.post(request(fields{"user_ip": "2001:db8::1"})),
			"IPv4 in IPv6":              d.post(request(fields{"user_ip": "::ffff:192.0.2.1"})),
			"type web":                  d.post(request(fields{"type": "web"})),
			"type mini":                 d.post(request(fields{"type": "mini", "randstr": left})),
			"a key of 128 bytes":        d.post(request(nil), "Idempotency-Key", strings.Repeat("k", 128)),
			"escapes in names":          d.post(strings.Replace(request(nil), `"ticket"`, `"\u0074icket"`, 1)),
			"blanks around":             d.post("\r\n\t " + request(nil) + "\n"),
			"a type with its charset":   d.typed("application/json;charset=UTF-8"),
			"a type in other letters":   d.typed("Application/JSON"),
			"a type with other details": d.typed(`application/json; profile="x"`),
		} {
			if w.Code != http.StatusOK {
				t.Errorf("%s: refused with %d %s", name, w.Code, w.Body)
			}
		}
	})
}

func (d *door) typed(kind string) *httptest.ResponseRecorder {
	return d.send("POST", "/v1/verify", request(nil), "Content-Type", kind)
}

// shopAndBlog are two backends: one for all scenes, one for comments only.
func shopAndBlog(c *public.Config) {
	c.APIKeys = []public.APIKey{{Name: "shop", Key: "shop-key-0123456789"}, {Name: "blog", Key: "blog-key-0123456789", Scenes: []string{"comment"}}}
}

// A8: what is no string is decided as no ticket, and never sent to the API as one.
func TestVerify_TakesOnlyAStringForATicket(t *testing.T) {
	atDoor(t, nil, func(d *door) {
		for _, value := range []string{"17", "-17", "1e3", "true", "false", `["x"]`, `[[["z"]]]`, `{"q":1}`} {
			for _, field := range []string{"ticket", "randstr"} {
				if d.post(put(field, value)); d.last.Ticket.WellFormed() {
					t.Errorf("%s %s is taken for one: %q, %q", field, value, d.last.Ticket.Value, d.last.Ticket.Randstr)
				}
			}
		}
		if d.post(request(nil)); !d.last.Ticket.WellFormed() {
			t.Error("a good ticket is not taken for one")
		}
	})
}

// A8: nothing that a user sends makes the backend's request a wrong one, for a
// backend tends to let through on an error.
func TestVerify_DecidesWhateverTheUserSent(t *testing.T) {
	values := map[string]string{
		"null": "null", "a number": "17", "a list": `["x"]`, "an object": `{"a":{"b":[]}}`, "true": "true", "empty": `""`,
		"invalid UTF-8": "\"tr03\xff\"", "half a character": `"\ud83d"`, "an overlong form": "\"\xc0\xaf\"",
		"over its length": `"` + strings.Repeat("x", 5000) + `"`, "11 kB of control characters": `"` + strings.Repeat(`\u0001`, 11_000) + `"`,
		"over 64 KiB": `"` + strings.Repeat("x", 100_000) + `"`, "some megabytes": `"` + strings.Repeat("x", 3_000_000) + `"`,
	}
	atDoor(t, nil, func(d *door) {
		decided := func(name, body string) {
			t.Helper()
			if w := d.post(body); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"decision":`) {
				t.Errorf("%s: got %d %s", name, w.Code, w.Body)
			}
		}
		for name, value := range values {
			decided("ticket is "+name, put("ticket", value))
			decided("randstr is "+name, put("randstr", value))
			decided("challenge is "+name, strings.Replace(request(fields{"ticket": left, "randstr": left}), "{", `{"challenge":`+value+`,`, 1))
		}
		decided("no ticket", request(fields{"ticket": left}))
		decided("neither ticket nor challenge", request(fields{"ticket": left, "randstr": left}))
		for _, deep := range []string{strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)} {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/verify", strings.NewReader(put("ticket", deep)))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			d.bare.ServeHTTP(w, r) // the checker of answers does not read as deep
			if w.Code != http.StatusOK {
				t.Errorf("nested deeply: got %d %s", w.Code, w.Body)
			}
		}
		if w := d.chunked(request(nil) + strings.Repeat(" ", 64<<10)); w.Code != http.StatusOK {
			t.Errorf("64 KiB in chunks: %d", w.Code)
		}
	})
}
