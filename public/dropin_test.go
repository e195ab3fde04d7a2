package public_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/api/apitest"
	"captchagate/public"
	"captchagate/tc3"
)

const (
	cloudID     = "AKIDSHOP0123456789"
	cloudKey    = "secret-key-of-the-shop"
	appKey      = "app-secret-key-of-the-shop"
	cloudHost   = "gateway.example:8080"
	resultCall  = "DescribeCaptchaResult"
	miniCall    = "DescribeCaptchaMiniResult"
	cloudTicket = "tr03-a-ticket-of-somebody"
)

// droppedIn turns the drop-in on.
func droppedIn(c *public.Config) {
	c.DropIn = public.DropIn{Scene: "login", ByApp: map[string]string{"190000002": "comment"}}
	c.Accounts = public.Accounts{Keys: map[string]string{cloudID: cloudKey}, Apps: map[uint64]string{190000001: appKey, 190000002: appKey}}
	c.Lines.Decisions = public.LinesAll
}

// parameters are those of a call, changed.
func parameters(change fields) string {
	f := fields{"CaptchaType": 9, "Ticket": cloudTicket, "UserIp": "203.0.113.77", "Randstr": "@abcd", "CaptchaAppId": 190000001, "AppSecretKey": appKey}
	maps.Copy(f, change)
	maps.DeleteFunc(f, func(_ string, v any) bool { return v == left })
	body, _ := json.Marshal(f)
	return string(body)
}

// cloudCall is a call signed with TC3-HMAC-SHA256 at that time.
func cloudCall(action, body, id, key string, at time.Time) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Host = cloudHost
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-TC-Action", action)
	r.Header.Set("X-TC-Version", "2019-07-22")
	r.Header.Set("X-TC-Timestamp", fmt.Sprint(at.Unix()))
	signer := tc3.NewSigner(id, key, "gateway", "content-type;host", "content-type:application/json\nhost:"+cloudHost+"\n")
	r.Header.Set("Authorization", signer.Authorization([]byte(body), at.Unix()))
	return r
}

// cloudAnswer is what an SDK reads.
type cloudAnswer struct {
	Response struct {
		CaptchaCode *int64
		CaptchaMsg  string
		RequestId   string
		Error       *struct{ Code, Message string }
	}
}

func (a cloudAnswer) what() string {
	switch r := a.Response; {
	case r.Error != nil:
		return r.Error.Code
	case r.CaptchaCode != nil:
		return fmt.Sprint(*r.CaptchaCode)
	}
	return "nothing"
}

// calls hands a call in, and checks what holds for every answer.
func (d *door) calls(r *http.Request) (cloudAnswer, *httptest.ResponseRecorder) {
	d.t.Helper()
	w := d.deliver(r)
	var a cloudAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil && r.Method != http.MethodHead {
		d.t.Errorf("%v: %s", err, w.Body)
	}
	h := w.Header()
	if w.Code != http.StatusOK || h.Get("X-Gateway-Decision") == "" || h.Get("X-Gateway-Mode") == "" || r.Method != http.MethodHead && h.Get("X-Gateway-Decision-Id") != a.Response.RequestId {
		d.t.Errorf("%d %v %s", w.Code, h, w.Body)
	}
	return a, w
}

// Each refusal of the contract, and whatever else may be wrong with a call: the status
// is 200 and the code one of the API's own, nobody is decided about, and the log holds
// no secret and nothing of the user.
func TestDropIn_RefusesInTheAPIsWords(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	without := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Del(name) }
	}
	instead := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	body := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			fresh := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
			r.Body, r.ContentLength = fresh.Body, fresh.ContentLength
		}
	}
	asIs := func(*http.Request) {}
	rows := []struct {
		name, action, body, id, key string
		late                        time.Duration
		change                      func(*http.Request)
		want                        string
	}{
		{name: "unsigned", change: without("Authorization"), want: "AuthFailure.InvalidAuthorization"},
		{name: "with an API key instead", change: header("Authorization", "Bearer key"), want: "AuthFailure.InvalidAuthorization"},
		{name: "with two signatures", change: func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, want: "AuthFailure.InvalidAuthorization"},
		{name: "of another account", id: "AKIDNOBODY", want: "AuthFailure.SecretIdNotFound"},
		{name: "with another key", key: "another", want: "AuthFailure.SignatureFailure"},
		{name: "for another host", change: func(r *http.Request) { r.Host = "captcha.tencentcloudapi.com" }, want: "AuthFailure.SignatureFailure"},
		{name: "with a header missing from those signed", change: instead("content-type;host", "host"), want: "AuthFailure.SignatureFailure"},
		{name: "with a body changed after signing", change: body(parameters(fields{"UserIp": "203.0.113.78"})), want: "AuthFailure.SignatureFailure"},
		{name: "of a clock six minutes late", late: -6 * time.Minute, want: "AuthFailure.SignatureExpire"},
		{name: "of a clock six minutes early", late: 6 * time.Minute, want: "AuthFailure.SignatureExpire"},
		{name: "without a time", change: without("X-TC-Timestamp"), want: "MissingParameter"},
		{name: "of a time in words", change: header("X-TC-Timestamp", "now"), want: "InvalidParameter"},
		{name: "for another action", action: "DescribeInstances", want: "InvalidAction"},
		{name: "without an action", change: without("X-TC-Action"), want: "MissingParameter"},
		{name: "with another action in the query", change: func(r *http.Request) { r.URL.RawQuery = "Action=" + miniCall }, want: "InvalidParameter"},
		{name: "with two actions", change: func(r *http.Request) { r.Header.Add("X-TC-Action", miniCall) }, want: "InvalidParameter"},
		{name: "for another version", change: header("X-TC-Version", "2017-03-12"), want: "NoSuchVersion"},
		{name: "without a version", change: without("X-TC-Version"), want: "MissingParameter"},
		{name: "with a second content type", change: func(r *http.Request) { r.Header.Add("Content-Type", "application/x-www-form-urlencoded") }, want: "AuthFailure.SignatureFailure"},
		{name: "without a body", body: " ", want: "InvalidParameter"},
		{name: "with half a body", body: `{"CaptchaType":9,`, want: "InvalidParameter"},
		{name: "with a list for a body", body: `[]`, want: "InvalidParameter"},
		{name: "with bytes that are no text", body: strings.Replace(parameters(nil), "@abcd", "\xff", 1), want: "InvalidParameter"},
		{name: "with a huge body", body: parameters(fields{"Ticket": strings.Repeat("t", 64<<10)}), want: "InvalidParameter"},
		{name: "with deep JSON", body: parameters(fields{"Ticket": left})[:2] + `X":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "," + parameters(nil)[1:], want: "InvalidParameter"},
		{name: "with an object more", body: put2("Extra", `{"a":1}`), want: "InvalidParameter"},
		{name: "with a list more", body: put2("Extra", `[1]`), want: "InvalidParameter"},
		{name: "with a parameter twice", body: put2("Ticket", `"tr03-another"`), want: "InvalidParameter"},
		{name: "with the app as a text", body: parameters(fields{"CaptchaAppId": "190000001"}), want: "InvalidParameter"},
		{name: "with the type as a text", body: parameters(fields{"CaptchaType": "9"}), want: "InvalidParameter"},
		{name: "with another type", body: parameters(fields{"CaptchaType": 8}), want: "InvalidParameterValue"},
		{name: "with half an app", body: parameters(fields{"CaptchaAppId": 190000001.5}), want: "InvalidParameter"},
		{name: "with an app below zero", body: parameters(fields{"CaptchaAppId": -1}), want: "InvalidParameter"},
		{name: "with a ticket of digits", body: parameters(fields{"Ticket": 7}), want: "InvalidParameter"},
		{name: "with a randstr in a list", body: parameters(fields{"Randstr": []string{"@abcd"}}), want: "InvalidParameter"},
		{name: "with a key that is none", body: parameters(fields{"AppSecretKey": true}), want: "InvalidParameter"},
		{name: "with a user who is none", body: parameters(fields{"UserIp": 4}), want: "InvalidParameter"},
		{name: "with an optional number as a text", body: parameters(fields{"NeedGetCaptchaTime": "1"}), want: "InvalidParameter"},
		{name: "with an optional text as a number", body: parameters(fields{"Imei": 1}), want: "InvalidParameter"},
		{name: "without a ticket", body: parameters(fields{"Ticket": left}), want: "MissingParameter"},
		{name: "without a randstr", body: parameters(fields{"Randstr": left}), want: "MissingParameter"},
		{name: "with a ticket in other letters", body: strings.Replace(parameters(nil), `"Ticket"`, `"ticket"`, 1), want: "MissingParameter"},
		{name: "with a null ticket", body: parameters(fields{"Ticket": nil}), want: "MissingParameter"},
		{name: "with a null user", body: parameters(fields{"UserIp": nil}), want: "MissingParameter"},
		{name: "with a null app", body: parameters(fields{"CaptchaAppId": nil}), want: "MissingParameter"},
		{name: "with a null key", body: parameters(fields{"AppSecretKey": nil}), want: "MissingParameter"},
		{name: "without anything", body: "{}", want: "MissingParameter"},
		{name: "of an unknown app", body: parameters(fields{"CaptchaAppId": 190000009}), want: "16"},
		{name: "with another app's key", body: parameters(fields{"AppSecretKey": appKey + "x"}), want: "100"},
		{name: "with an empty key", body: parameters(fields{"AppSecretKey": ""}), want: "100"},
		{name: "with a bad address", body: parameters(fields{"UserIp": "203.0.113"}), want: "15"},
		{name: "with an address of a zone", body: parameters(fields{"UserIp": "fe80::1%eth0"}), want: "15"},
		{name: "with an empty address", body: parameters(fields{"UserIp": ""}), want: "15"},
		{name: "of a mini program, with an unknown app", action: miniCall, body: parameters(fields{"CaptchaAppId": 7, "Randstr": left}), want: "16"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			atDoor(t, droppedIn, func(d *door) {
				if row.action == "" {
					row.action = resultCall
				}
				if row.body == "" {
					row.body = parameters(nil)
				}
				if row.id == "" {
					row.id = cloudID
				}
				if row.key == "" {
					row.key = cloudKey
				}
				if row.change == nil {
					row.change = asIs
				}
				r := cloudCall(row.action, row.body, row.id, row.key, time.Now().Add(row.late))
				row.change(r)
				a, w := d.calls(r)
				if got := a.what(); got != row.want || w.Header().Get("X-Gateway-Decision") != "deny" {
					t.Errorf("the answer is %s, want %s: %s", got, row.want, w.Body)
				}
				d.untouched(row.name)
				said := w.Body.String() + d.log.String()
				for _, secret := range []string{cloudTicket, "@abcd", "203.0.113", appKey, cloudKey, cloudID, "AKIDNOBODY"} {
					if strings.Contains(said, secret) {
						t.Errorf("%q is told:\n%s", secret, said)
					}
				}
				if !strings.Contains(d.log.String(), "msg=refused") || !strings.Contains(d.log.String(), "the drop-in: "+row.want+": ") {
					t.Errorf("the log does not say why:\n%s", d.log.String())
				}
			})
		})
	}
}

// put2 writes a value into a call as it stands, right or wrong.
func put2(name, value string) string {
	return strings.Replace(parameters(nil), "{", `{"`+name+`":`+value+`,`, 1)
}

// A body that its sender never ends is a refusal like any other, once its time is over.
func TestDropIn_RefusesABodyThatEndsEarly(t *testing.T) {
	atDoor(t, droppedIn, func(d *door) {
		r := cloudCall(resultCall, parameters(nil), cloudID, cloudKey, time.Now())
		r.ContentLength++
		if a, w := d.calls(r); a.what() != "InvalidParameter" {
			t.Errorf("the answer is %s", w.Body)
		}
		d.untouched("half a body")
	})
}

// What the user controls is decided about, and not refused.
func TestDropIn_DecidesWhateverTheUserSent(t *testing.T) {
	for name, ticket := range map[string]any{
		"a ticket": cloudTicket, "none": "", "a long one": strings.Repeat("t", 3000), "letters beyond ASCII": "验证",
		"a disaster ticket": "trerror_1001_190000001_1700000000", "half a character": json.RawMessage(`"\ud800"`),
	} {
		atDoor(t, droppedIn, func(d *door) {
			if a, w := d.calls(cloudCall(resultCall, parameters(fields{"Ticket": ticket}), cloudID, cloudKey, time.Now())); a.Response.Error != nil || d.asked != 1 {
				t.Errorf("%s: %d asked: %s", name, d.asked, w.Body)
			}
		})
	}
}

// Whatever a call travels as, the same is asked.
func TestDropIn_AsksWhatTheCallAsks(t *testing.T) {
	form := url.Values{
		"Action": {miniCall}, "Version": {"2019-07-22"}, "CaptchaType": {"9"}, "Ticket": {cloudTicket}, "UserIp": {"203.0.113.77"}, "CaptchaAppId": {"190000002"}, "AppSecretKey": {appKey},
	}
	tolerated := func(r *http.Request) *http.Request {
		for name, value := range map[string]string{
			"X-TC-Language": "zh-CN", "X-TC-Token": "token", "X-TC-RequestClient": "SDK_GO_1", "X-TC-Region": "ap-guangzhou", "X-TC-TraceId": "1",
		} {
			r.Header.Set(name, value)
		}
		return r
	}
	named := cloudCall("", parameters(nil), cloudID, cloudKey, time.Now())
	named.Header.Del("X-TC-Action")
	named.URL.RawQuery = "Action=" + resultCall
	rows := []struct {
		name  string
		call  *http.Request
		scene string
		mini  bool
	}{
		{"JSON", cloudCall(resultCall, parameters(nil), cloudID, cloudKey, time.Now()), "login", false},
		{"with what SDKs add", tolerated(cloudCall(resultCall, parameters(nil), cloudID, cloudKey, time.Now())), "login", false},
		{"with the action in the query", named, "login", false},
		{"of an app with a scene of its own", cloudCall(resultCall, parameters(fields{"CaptchaAppId": 190000002}), cloudID, cloudKey, time.Now()), "comment", false},
		{"of a mini program", cloudCall(miniCall, parameters(fields{"Randstr": left}), cloudID, cloudKey, time.Now()), "login", true},
		{"a form", olderCall(http.MethodPost, form), "comment", true},
		{"a query", olderCall(http.MethodGet, form), "comment", true},
		{"with HEAD", olderCall(http.MethodHead, form), "comment", true},
	}
	for _, row := range rows {
		atDoor(t, droppedIn, func(d *door) {
			a, w := d.calls(row.call)
			q := d.last
			if a.Response.Error != nil || d.asked != 1 || d.vouched != 1 {
				t.Errorf("%s: %d asked: %s", row.name, d.asked, w.Body)
			}
			if q.Scene != row.scene || q.Ticket.Mini != row.mini || q.Ticket.Value != cloudTicket || q.Ticket.UserIP.String() != "203.0.113.77" || (q.Ticket.Randstr == "@abcd") == row.mini {
				t.Errorf("%s: %+v is asked", row.name, q)
			}
		})
	}
}

// olderCall is a call of signature version 1, signed for the checker by itself: whether
// the signature is right is the business of room tc3.
func olderCall(method string, params url.Values) *http.Request {
	signed := url.Values{"SecretId": {cloudID}, "SignatureMethod": {"HmacSHA256"}, "Timestamp": {fmt.Sprint(time.Now().Unix())}, "Nonce": {"1"}}
	maps.Copy(signed, params)
	signed.Set("Signature", signatureV1(method+cloudHost+"/?", signed))
	if method == http.MethodPost {
		r := httptest.NewRequest(method, "/", strings.NewReader(signed.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Host = cloudHost
		return r
	}
	r := httptest.NewRequest(method, "/?"+signed.Encode(), nil)
	r.Host = cloudHost
	return r
}

// signatureV1 is HmacSHA256 of the text and the parameters.
func signatureV1(lead string, params url.Values) string {
	mac := hmac.New(sha256.New, []byte(cloudKey))
	mac.Write([]byte(lead))
	between := ""
	for _, name := range slices.Sorted(maps.Keys(params)) {
		mac.Write([]byte(between + name + "=" + params.Get(name)))
		between = "&"
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// The same signed call gets the same answer for five minutes; everything that makes it
// another is decided anew.
func TestDropIn_AnswersTheSameCallAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		atDoor(t, droppedIn, func(d *door) {
			at := time.Now()
			call := func(action, body string) *http.Request { return cloudCall(action, body, cloudID, cloudKey, at) }
			_, first := d.calls(call(resultCall, parameters(nil)))
			for range 3 {
				time.Sleep(99 * time.Second)
				_, again := d.calls(call(resultCall, parameters(nil)))
				if d.asked != 1 || again.Body.String() != first.Body.String() || again.Header().Get("Idempotent-Replay") != "true" ||
					again.Header().Get("X-Gateway-Decision-Id") != first.Header().Get("X-Gateway-Decision-Id") {
					t.Errorf("%d asked, and it is\n%s, was\n%s", d.asked, again.Body, first.Body)
				}
			}
			mini := call(miniCall, parameters(nil)) // the action is not signed
			mini.Header.Set("Authorization", call(resultCall, parameters(nil)).Header.Get("Authorization"))
			if _, w := d.calls(mini); d.asked != 2 || w.Header().Get("Idempotent-Replay") != "" {
				t.Errorf("another action: %d asked", d.asked)
			}
			other := call(resultCall, parameters(fields{"Ticket": "tr03-another"}))
			other.Header.Set("Authorization", call(resultCall, parameters(nil)).Header.Get("Authorization"))
			if a, _ := d.calls(other); d.asked != 2 || a.what() != "AuthFailure.SignatureFailure" {
				t.Errorf("another body under the same signature: %s, %d asked", a.what(), d.asked)
			}
			time.Sleep(4 * time.Second) // 301 s since the first
			if a, _ := d.calls(call(resultCall, parameters(nil))); d.asked != 2 || a.what() != "AuthFailure.SignatureExpire" {
				t.Errorf("after five minutes: %s, %d asked", a.what(), d.asked)
			}
			if _, w := d.calls(cloudCall(resultCall, parameters(nil), cloudID, cloudKey, time.Now())); d.asked != 3 || w.Header().Get("Idempotent-Replay") != "" {
				t.Errorf("signed anew: %d asked", d.asked)
			}
		})
	})
}

// Calls that come later are signed with the keys that replaced others.
func TestDropIn_TakesAccountsThatReplaceOthers(t *testing.T) {
	cfg := public.Config{Apps: []uint64{190000001}}
	droppedIn(&cfg)
	var s *public.Server
	d := &door{t: t}
	s = newServer(cfg, d)
	d.handler = apitest.Handler(t, s.Handler(http.NotFoundHandler(), nil))
	call := func(id, key, app string) string {
		a, _ := d.calls(cloudCall(resultCall, parameters(fields{"AppSecretKey": app}), id, key, time.Now()))
		return a.what()
	}
	if got := call(cloudID, cloudKey, appKey); got != "15" && got != "9" {
		t.Fatalf("it is %s", got)
	}
	s.SetAccounts(public.Accounts{Keys: map[string]string{"AKIDNEXT": "next-key"}, Apps: map[uint64]string{190000001: "next-app-key"}})
	for _, row := range []struct{ id, key, app, want string }{
		{cloudID, cloudKey, appKey, "AuthFailure.SecretIdNotFound"},
		{"AKIDNEXT", cloudKey, appKey, "AuthFailure.SignatureFailure"},
		{"AKIDNEXT", "next-key", appKey, "100"},
		{"AKIDNEXT", "next-key", "next-app-key", "9"},
	} {
		if got := call(row.id, row.key, row.app); got != row.want {
			t.Errorf("%+v is %s", row, got)
		}
	}
}

// Without a scene there is no drop-in, and with one it leaves to a page at / what is no
// call.
func TestDropIn_SharesItsPath(t *testing.T) {
	page := map[string]http.Handler{"/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
	for _, row := range []struct {
		name, method, target string
		on                   bool
		beside               map[string]http.Handler
		want                 int
	}{
		{"off", "POST", "/", false, nil, 404},
		{"off", "GET", "/", false, nil, 404},
		{"off, beside a page", "POST", "/", false, page, 204},
		{"on", "POST", "/", true, nil, 200},
		{"on", "GET", "/", true, nil, 200},
		{"on", "PUT", "/", true, nil, 405},
		{"on, beside a page", "GET", "/", true, page, 204},
		{"on, beside a page", "HEAD", "/", true, page, 204},
		{"on, a call beside a page", "GET", "/?Action=" + resultCall, true, page, 200},
		{"on, beside a page", "POST", "/", true, page, 200},
	} {
		cfg := public.Config{Apps: []uint64{190000001}}
		if row.on {
			droppedIn(&cfg)
		}
		d := &door{t: t}
		w := httptest.NewRecorder()
		newServer(cfg, d).Handler(http.NotFoundHandler(), row.beside).ServeHTTP(w, httptest.NewRequest(row.method, row.target, nil))
		if w.Code != row.want {
			t.Errorf("%s: %s %s is %d, want %d", row.name, row.method, row.target, w.Code, row.want)
		}
	}
}

// FuzzDropIn sends any body, signed and not, as JSON and as a form, with any query. Each
// gets an answer in the API's form, and an error or a decision in it.
func FuzzDropIn(f *testing.F) {
	for _, body := range []string{
		parameters(nil), parameters(fields{"Randstr": left}), parameters(fields{"CaptchaAppId": "190000001"}), put2("Extra", `{"a":[1]}`), put2("Ticket", "null"),
		"", "{}", "[]", "null", `{"CaptchaType":9`, "{\"\xff\":1}", "Action=DescribeCaptchaResult&Signature=x&SecretId=" + cloudID + "&Timestamp=0", "a=1&a=2", "%zz", ";",
	} {
		for _, query := range []string{"", "Action=" + miniCall, "Action=%", "Signature=x"} {
			f.Add(body, query, true)
			f.Add(body, query, false)
		}
	}
	cfg := public.Config{Apps: []uint64{190000001}}
	droppedIn(&cfg)
	d := &door{}
	h := newServer(cfg, d).Handler(http.NotFoundHandler(), nil)
	f.Fuzz(func(t *testing.T, body, query string, signed bool) {
		d.log.Reset()
		for _, form := range []bool{false, true} {
			r := cloudCall(resultCall, body, cloudID, cloudKey, time.Now())
			r.URL.RawQuery = query
			if form {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if !signed || form {
				r.Header.Del("Authorization")
			}
			before, w := d.asked, httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var a cloudAnswer
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || a.Response.RequestId == "" || a.what() == "nothing" || w.Header().Get("X-Gateway-Decision") != "deny" {
				t.Errorf("%d (%v): %s", w.Code, err, w.Body)
			}
			if d.asked != before && (!signed || form) {
				t.Errorf("decided without a signature: %s", w.Body)
			}
		}
	})
}
