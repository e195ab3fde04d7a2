package public_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"captchagate/captcha"
	"captchagate/policy"
	"captchagate/public"
)

const (
	formType = "application/x-www-form-urlencoded"
	shopKey  = "shop-key-0123456789"
	blogKey  = "blog-key-0123456789"
)

// siteSays is an answer of POST /siteverify.
type siteSays struct {
	Success    bool     `json:"success"`
	ErrorCodes []string `json:"error-codes"`
	Messages   []string `json:"messages"`
	Decision   string   `json:"decision"`
	Reason     string   `json:"reason"`
}

// String is all that a library looks at.
func (s siteSays) String() string {
	if s.Success {
		return "success"
	}
	return strings.Join(s.ErrorCodes, " ")
}

// site sends a body to POST /siteverify, of which every answer is 200.
func (d *door) site(kind, body string) siteSays {
	d.t.Helper()
	var header []string
	if kind != "" {
		header = []string{"Content-Type", kind}
	}
	return d.siteAnswer(d.send("POST", "/siteverify", body, header...))
}

func (d *door) siteAnswer(w *httptest.ResponseRecorder) (s siteSays) {
	d.t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != http.StatusOK || s.ErrorCodes == nil {
		d.t.Errorf("%d %s (%v)", w.Code, w.Body, err)
	}
	return s
}

// siteForm is a well-formed form with a ticket of the page script's, changed.
func siteForm(change fields) string {
	form := url.Values{"secret": {shopKey}, "response": {packed(nil)}, "remoteip": {"192.0.2.1"}}
	for name, value := range change {
		switch value := value.(type) {
		case string:
			form.Set(name, value)
		case []string:
			form[name] = value
		default:
			form.Del(name)
		}
	}
	return form.Encode()
}

// packed is what the page script makes of a ticket, changed.
func packed(change fields) string {
	f := fields{"v": 1, "ticket": "tr03ticket", "randstr": "@abc", "captcha_app_id": 190000001}
	for name, value := range change {
		if f[name] = value; value == left {
			delete(f, name)
		}
	}
	text, _ := json.Marshal(f)
	return base64.RawURLEncoding.EncodeToString(text)
}

// What a backend can write wrongly, each told in the convention's words, as in the log
// by what is wrong. Nobody is decided about.
func TestSiteverify_RefusesWhatTheBackendWroteWrongly(t *testing.T) {
	const js, bad = "application/json", "bad-request"
	object := func(change fields) string {
		f := fields{"secret": shopKey, "response": "x", "remoteip": "192.0.2.1"}
		maps.Copy(f, change)
		text, _ := json.Marshal(f)
		return string(text)
	}
	rows := []struct{ name, kind, body, code, says string }{
		{"no secret", formType, siteForm(fields{"secret": left}), "missing-input-secret", "secret is required"},
		{"an empty secret", formType, siteForm(fields{"secret": ""}), "missing-input-secret", "secret is required"},
		{"a wrong secret", formType, siteForm(fields{"secret": "CANARY"}), "invalid-input-secret", "secret must be a key"},
		{"a secret twice", formType, siteForm(fields{"secret": []string{shopKey, "CANARY"}}), "invalid-input-secret", "secret stands there twice"},
		{"a secret and a blank", formType, siteForm(fields{"secret": shopKey + " "}), "invalid-input-secret", "secret must be"},
		{"a secret that is no text", formType, "secret=\xff\xfe", "invalid-input-secret", "secret must be a string of valid Unicode"},
		{"a secret in the query", formType, "", "missing-input-secret", "secret is required"},
		{"a number for a secret", js, `{"secret":17}`, "invalid-input-secret", "secret must be a string"},
		{"null for a secret", js, `{"secret":null}`, "invalid-input-secret", "secret must be a string"},
		{"a list for a secret", js, `{"secret":["` + shopKey + `"]}`, "invalid-input-secret", "secret must be a string"},
		{"JSON that says it is a form", formType, object(nil), "missing-input-secret", "secret is required"},
		{"a form that says it is JSON", js, siteForm(nil), bad, "body is not valid JSON"},
		{"no remoteip", formType, siteForm(fields{"remoteip": left}), bad, "remoteip is required"},
		{"an empty remoteip", formType, siteForm(fields{"remoteip": ""}), bad, "remoteip must be"},
		{"a name for remoteip", formType, siteForm(fields{"remoteip": "localhost"}), bad, "remoteip must be"},
		{"two addresses", formType, siteForm(fields{"remoteip": "192.0.2.1, 192.0.2.2"}), bad, "remoteip must be"},
		{"remoteip twice", formType, siteForm(fields{"remoteip": []string{"192.0.2.1", "192.0.2.1"}}), bad, "remoteip stands there twice"},
		{"a number for remoteip", js, object(fields{"remoteip": 3221225985}), bad, "remoteip must be a string"},
		{"response twice", formType, siteForm(fields{"response": []string{"a", "b"}}), bad, "response stands there twice"},
		{"ticket twice", formType, siteForm(fields{"ticket": []string{"a", "b"}}), bad, "ticket stands there twice"},
		{"an unknown scene", formType, siteForm(fields{"scene": "CANARY"}), bad, "scene is not a configured scene"},
		{"an empty scene", formType, siteForm(fields{"scene": ""}), bad, "scene is not a configured scene"},
		{"null for a scene", js, object(fields{"scene": nil}), bad, "scene must be a string"},
		{"another's scene", formType, siteForm(fields{"secret": blogKey, "scene": "login"}), bad, "scene must be one of the key's scenes: comment"},
		{"an empty key", formType, siteForm(fields{"idempotency_key": ""}), bad, "idempotency_key must be"},
		{"a long key", formType, siteForm(fields{"idempotency_key": strings.Repeat("k", 129)}), bad, "idempotency_key must be"},
		{"a key with a line end", formType, siteForm(fields{"idempotency_key": "CANARY\n"}), bad, "idempotency_key must be"},
		{"several at once", formType, siteForm(fields{"remoteip": "x", "scene": "x", "idempotency_key": ""}), bad, "remoteip must be"},
		{"no type", "", siteForm(nil), bad, "Content-Type must be"},
		{"plain text", "text/plain", siteForm(nil), bad, "Content-Type must be"},
		{"a form of another charset", formType + "; charset=gbk", siteForm(nil), bad, "Content-Type must be"},
		{"parts without a boundary", "multipart/form-data", siteForm(nil), bad, "body is not multipart"},
		{"half of the parts", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\n" + shopKey, bad, "body is not multipart"},
		{"parts of another boundary", "multipart/form-data; boundary=x", siteForm(nil), "missing-input-secret", "secret is required"},
		{"half a JSON object", js, object(nil)[:20], bad, "body is not valid JSON"},
		{"a list", js, "[" + object(nil) + "]", bad, "body must be a JSON object"},
		{"two objects", js, object(nil) + object(nil), bad, "body goes on after"},
		{"nothing", formType, "", "missing-input-secret", "secret is required"},
		{"nothing in JSON", js, "", bad, "body is not valid JSON"},
	}
	atDoor(t, shopAndBlogWithLines, func(d *door) {
		for _, row := range rows {
			s := d.site(row.kind, row.body)
			if s.String() != row.code || len(s.Messages) == 0 || !strings.Contains(strings.Join(s.Messages, "; "), row.says) || s.Decision != "" {
				t.Errorf("%s: %+v, want %s and %q", row.name, s, row.code, row.says)
			}
			d.untouched(row.name)
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/siteverify?"+siteForm(nil), http.NoBody)
		r.Header.Set("Content-Type", formType)
		r.Header.Add("Content-Type", "application/json")
		if s := d.siteAnswer(d.deliver(r)); s.String() != bad {
			t.Errorf("two types: %+v", s)
		}
		d.untouched("two types")
		for _, method := range []string{"GET", "PUT", "OPTIONS"} {
			d.refuses(method, d.send(method, "/siteverify?"+siteForm(nil), ""), http.StatusMethodNotAllowed)
		}
		log := d.log.String()
		for _, secret := range []string{shopKey, blogKey, "CANARY", "192.0.2.1", packed(nil)} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %s", secret)
			}
		}
		if n := strings.Count(log, "msg=refused"); n < 10 { // as many as a second has, or more of a slow machine's
			t.Errorf("%d lines of refusals", n)
		}
		if !strings.Contains(log, `status=401 method=POST route=/siteverify detail=missing-input-secret`) {
			t.Errorf("no line says what was refused: %s", log)
		}
	})
}

// A8: whatever the user sent is decided, and a body that only the user can have made
// so long or deep is too, if its secret comes first; else it is refused.
func TestSiteverify_DecidesWhateverTheUserSent(t *testing.T) {
	const js = "application/json"
	long, deep := strings.Repeat("x", 100_000), strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)
	first, last := `{"secret":"`+shopKey+`","remoteip":"192.0.2.1","response":`, `,"secret":"`+shopKey+`","remoteip":"192.0.2.1"}`
	rows := []struct{ name, kind, body, code string }{
		{"nothing", formType, siteForm(fields{"response": left}), "missing-input-response"},
		{"empty", formType, siteForm(fields{"response": ""}), "missing-input-response"},
		{"a ticket as it is", formType, siteForm(fields{"response": "tr03ticket"}), "invalid-input-response"},
		{"letters", formType, siteForm(fields{"response": "\x00é\u202e"}), "invalid-input-response"},
		{"no Unicode", formType, siteForm(fields{"response": "\xff", "ticket": "\xff", "randstr": "\xff"}), "invalid-input-response"},
		{"wrongly escaped", formType, "secret=" + shopKey + "&remoteip=192.0.2.1&response=%zz%", "invalid-input-response"},
		{"60 kB", formType, siteForm(fields{"response": long[:60_000]}), "invalid-input-response"},
		{"100 kB", formType, "secret=" + shopKey + "&response=" + long + "&remoteip=192.0.2.1", "invalid-input-response"},
		{"100 kB of JSON", js, first + `"` + long + `"}`, "invalid-input-response"},
		{"null", js, first + "null}", "missing-input-response"},
		{"a number", js, first + "17}", "invalid-input-response"},
		{"a list", js, first + `["x"]}`, "invalid-input-response"},
		{"half a character", js, first + `"\ud83d"}`, "invalid-input-response"},
		{"deep", js, first + deep + "}", "invalid-input-response"},
		{"deep inside", formType, siteForm(fields{"response": base64.StdEncoding.EncodeToString([]byte(`{"v":1,"ticket":` + deep[:10_000] + "}"))}), "invalid-input-response"},
	}
	for name, response := range map[string]fields{
		"another version": {"v": 2}, "no version": {"v": left}, "a version as text": {"v": "1"}, "another's app": {"captcha_app_id": 190000002},
		"an app as text": {"captcha_app_id": "190000001"}, "a list of apps": {"captcha_app_id": []int{190000001}}, "no randstr": {"randstr": left}, "a number for a ticket": {"ticket": 17},
		"an empty ticket": {"ticket": ""}, "a null": {"ticket": nil},
	} {
		rows = append(rows, struct{ name, kind, body, code string }{"packed: " + name, formType, siteForm(fields{"response": packed(response)}), "invalid-input-response"})
	}
	atDoor(t, shopAndBlog, func(d *door) {
		for n, row := range rows {
			d.last = policy.Request{}
			if s := d.site(row.kind, row.body); s.String() != row.code && s.String() != "missing-input-response" || s.Decision != "deny" || d.asked != n+1 {
				t.Errorf("%s: %+v, want %s and a decision", row.name, s, row.code)
			}
			if d.last.Ticket.WellFormed() {
				t.Errorf("%s: it is taken for a ticket: %q %q", row.name, d.last.Ticket.Value, d.last.Ticket.Randstr)
			}
		}
		asked := d.asked
		for name, body := range map[string]string{"100 kB": `{"response":"` + long + `"` + last, "deep": `{"response":` + deep + last} {
			if s := d.site(js, body); s.String() != "invalid-input-response" || s.Decision != "" || d.asked != asked {
				t.Errorf("%s before the secret: %+v", name, s)
			}
		}
		w := d.siteAnnounced(100, formType)
		if s := d.siteAnswer(w); s.String() != "bad-request" || d.asked != asked {
			t.Errorf("a body that breaks off: %+v", s)
		}
	})
}

// siteAnnounced sends a request that says how long its body is, which breaks off.
func (d *door) siteAnnounced(length int64, kind string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), "POST", "/siteverify", io.MultiReader(strings.NewReader("secret="), iotest.ErrReader(errors.New("broke off"))))
	r.ContentLength = length
	r.Header.Set("Content-Type", kind)
	return d.deliver(r)
}

// A form, the parts of a FormData and JSON are the same question.
func TestSiteverify_TakesFormsAndJSON(t *testing.T) {
	want := policy.Request{Scene: "login", Ticket: captcha.Ticket{
		Value: "tr03ticket", Randstr: `@a"b\c`, AppID: 190000001, UserIP: netip.MustParseAddr("2001:db8::1"),
	}.Named()}
	f := fields{"secret": shopKey, "response": packed(fields{"randstr": `@a"b\c`}), "remoteip": "2001:db8::1", "scene": "login", "sitekey": "10000000-ffff"}
	object, _ := json.Marshal(f)
	parts, kind := inParts(f)
	f["ticket"], f["randstr"] = "not looked at", "beside a response"
	atDoor(t, shopAndBlog, func(d *door) {
		for _, row := range []struct{ name, kind, body string }{
			{"a form", formType, siteForm(f)}, {"a form of its charset", "Application/X-WWW-Form-Urlencoded; charset=UTF-8", siteForm(f)},
			{"JSON", "application/json", string(object)}, {"JSON of its charset", "application/json;charset=utf-8", string(object)},
			{"parts", kind, parts},
		} {
			d.last = policy.Request{}
			if s := d.site(row.kind, row.body); s.Reason != "rejected" && d.asked == 0 {
				t.Errorf("%s: %+v", row.name, s)
			}
			if !reflect.DeepEqual(d.last, want) {
				t.Errorf("%s: asked about %+v, want %+v", row.name, d.last, want)
			}
		}
	})
}

// inParts is a form as FormData sends it, with a file that is no field.
func inParts(f fields) (body, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range f {
		_ = w.WriteField(name, value.(string))
	}
	file, _ := w.CreateFormFile("scene", "scene.txt")
	_, _ = io.WriteString(file, "payment")
	_ = w.Close()
	return b.String(), w.FormDataContentType()
}

// What the page script fills in, in each of its states, and what Tencent's own does.
func TestSiteverify_TakesWhatThePageFillsIn(t *testing.T) {
	const disaster = "trerror_1001_190000002_1767323045"
	solution := `{"challenge":{"parameters":{}},"solution":{"counter":1}}`
	spelled := base64.StdEncoding.EncodeToString([]byte(solution + "  ")) // with its padding
	two := func(c *public.Config) { c.Apps = []uint64{190000001, 190000002} }
	atDoor(t, two, func(d *door) {
		for _, row := range []struct {
			name           string
			change         fields
			value, randstr string
			app            uint64
			solution       string
		}{
			{"a ticket", nil, "tr03ticket", "@abc", 190000001, ""},
			{"a ticket of the other app", fields{"response": packed(fields{"captcha_app_id": 190000002})}, "tr03ticket", "@abc", 190000002, ""},
			{"a ticket of no app", fields{"response": packed(fields{"captcha_app_id": left})}, "\x00tr03ticket", "@abc", 190000001, ""},
			{"a disaster ticket", fields{"response": disaster}, disaster, "", 190000002, ""},
			{"a disaster ticket of another's app", fields{"response": "trerror_1001_7_1767323045"}, "trerror_1001_7_1767323045", "", 190000001, ""},
			{"a solution", fields{"response": spelled}, "", "", 190000001, spelled},
			{"a solution as JSON", fields{"response": solution}, "", "", 190000001, solution},
			{"Tencent's own fields", fields{"response": "", "ticket": "t", "randstr": "r"}, "t", "r", 190000001, ""},
			{"Tencent's own fields alone", fields{"response": left, "ticket": "t", "randstr": "r"}, "t", "r", 190000001, ""},
			{"nothing", fields{"response": ""}, "", "", 190000001, ""},
		} {
			if s := d.site(formType, siteForm(row.change)); s.Decision != "deny" { // as this decider decides
				t.Errorf("%s: %+v", row.name, s)
			}
			got, solved := d.last.Ticket, ""
			if d.last.Solution != nil {
				solved = *d.last.Solution
			}
			if got.Value != row.value || got.Randstr != row.randstr || got.AppID != row.app || solved != row.solution {
				t.Errorf("%s: asked about %q %q of %d, %q", row.name, got.Value, got.Randstr, got.AppID, solved)
			}
		}
	})
}

// The scene is the backend's own, or its key's only one, or "default": nothing in a
// response chooses it.
func TestSiteverify_ChoosesTheScene(t *testing.T) {
	keys := func(c *public.Config) {
		shopAndBlog(c)
		c.APIKeys = append(c.APIKeys, public.APIKey{Name: "both", Key: "both-key-0123456789", Scenes: []string{"default", "login"}},
			public.APIKey{Name: "without", Key: "without-key-0123456789", Scenes: []string{"comment", "login"}})
	}
	atDoor(t, keys, func(d *door) {
		for _, row := range []struct{ secret, scene, want string }{
			{shopKey, "", "default"}, {shopKey, "payment", "payment"}, {blogKey, "", "comment"}, {blogKey, "comment", "comment"},
			{"both-key-0123456789", "", "default"}, {"both-key-0123456789", "login", "login"},
		} {
			form := fields{"secret": row.secret, "response": packed(fields{"scene": "payment", "action": "payment"})}
			if row.scene != "" {
				form["scene"] = row.scene
			}
			if d.site(formType, siteForm(form)); d.last.Scene != row.want {
				t.Errorf("%s asks about %q: decided about %q, want %q", row.secret, row.scene, d.last.Scene, row.want)
			}
		}
		d.asked = 0
		s := d.site(formType, siteForm(fields{"secret": "without-key-0123456789"}))
		if s.String() != "bad-request" || !strings.Contains(strings.Join(s.Messages, ""), "must be one of the key's scenes: comment, login") {
			t.Errorf("a key of two scenes without default: %+v", s)
		}
		d.untouched("a key of two scenes without default")
		if d.vouched != 7 {
			t.Errorf("the connections of %d requests are vouched for, want 7", d.vouched)
		}
	})
}

// Without keys whoever reaches the listener may ask, with a secret or without: the
// libraries cannot do without one.
func TestSiteverify_NeedsNoKeyWhereThereAreNone(t *testing.T) {
	atDoor(t, nil, func(d *door) {
		for _, secret := range []any{"anything", "", left} {
			if s := d.site(formType, siteForm(fields{"secret": secret})); s.Decision == "" {
				t.Errorf("%v: %+v", secret, s)
			}
		}
	})
}

func shopAndBlogWithLines(c *public.Config) {
	shopAndBlog(c)
	c.Lines.Decisions = public.LinesAll
}
