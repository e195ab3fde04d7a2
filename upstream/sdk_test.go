package upstream_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
)

// The SDK's own client is the oracle of our call path: what it would send is
// sent, what it would read is read.

func TestSDK_WouldSendTheSame(t *testing.T) {
	for _, endpoint := range []string{
		"https://captcha.tencentcloudapi.com", "https://captcha.ap-guangzhou.tencentcloudapi.com/", "https://captcha.example:8443",
		"https://captcha.example:443", "http://127.0.0.1:8082", "http://[::1]:8082/", "HTTPS://Captcha.Example",
	} {
		for _, region := range []string{"", "ap-guangzhou"} {
			t.Run(endpoint+" "+region, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { compareCalls(t, endpoint, region) })
			})
		}
	}
}

// compareCalls lets both ask about the same tickets, at moments around the end
// of days.
func compareCalls(t *testing.T, endpoint, region string) {
	ours, theirs := &recorder{answer: passes}, &recorder{answer: passes}
	cfg := config(endpoint)
	cfg.Region = region
	client, sdk := mustNew(t, cfg, ours), newOracle(t, cfg, theirs)
	const day = 24 * time.Hour
	for _, at := range []time.Duration{0, day - time.Second, day, 59*day + 5*time.Hour, 366*day - time.Nanosecond, 366 * day, 9999 * day} {
		time.Sleep(time.Until(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(at)))
		for _, ticket := range []captcha.Ticket{webTicket(), miniTicket()} {
			if _, err := client.Verify(t.Context(), ticket); err != nil {
				t.Fatal(err)
			}
			if _, err := sdk.ask(t.Context(), ticket, appSecretKey); err != nil {
				t.Fatal(err)
			}
			compareLast(t, ours, theirs)
		}
	}
}

// compareLast compares the last requests. The signature covers the body, so
// equal Authorization headers mean equal bytes.
func compareLast(t *testing.T, ours, theirs *recorder) {
	t.Helper()
	a, b := ours.requests[len(ours.requests)-1], theirs.requests[len(theirs.requests)-1]
	if a.Method != b.Method || a.URL.String() != b.URL.String() || a.Host != b.Host || a.ContentLength != b.ContentLength {
		t.Errorf("we ask %s %s of %s with %d bytes, the SDK %s %s of %s with %d",
			a.Method, a.URL, a.Host, a.ContentLength, b.Method, b.URL, b.Host, b.ContentLength)
	}
	mine, its := maps.Clone(a.Header), maps.Clone(b.Header)
	if who := mine["X-Tc-Requestclient"]; len(who) != 1 || who[0] != "captchagate" {
		t.Errorf("we call ourselves %q", who)
	}
	delete(mine, "X-Tc-Requestclient")
	delete(its, "X-Tc-Requestclient")
	if !reflect.DeepEqual(mine, its) {
		t.Errorf("our headers are\n%v, the SDK's\n%v", mine, its)
	}
	if sent, want := ours.bodies[len(ours.bodies)-1], theirs.bodies[len(theirs.bodies)-1]; sent != want {
		t.Errorf("our body is\n%q, the SDK's\n%q", sent, want)
	}
}

func TestSDK_WouldWriteOddCharactersTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := &recorder{answer: passes}, &recorder{answer: passes}
		client, sdk := newClient(t, ours), newOracle(t, config("https://captcha.example"), theirs)
		for _, odd := range []string{
			`<script>&"\/'`, "line\u2028paragraph\u2029", "tab\tline\nreturn\r", "nul\x00 escape\x1b delete\x7f", "验证码 é 😀",
			"broken \xff\xfe\xc3", "half \xed\xa0\x80", strings.Repeat("t", captcha.MaxTicket),
		} {
			for _, mini := range []bool{false, true} {
				ticket := ticketOf(mini)
				ticket.Value, ticket.Randstr = odd, "r"+odd
				if _, err := client.Verify(t.Context(), ticket); err != nil {
					t.Fatal(err)
				}
				if _, err := sdk.ask(t.Context(), ticket, appSecretKey); err != nil {
					t.Fatal(err)
				}
				compareLast(t, ours, theirs)
				if !json.Valid([]byte(ours.bodies[len(ours.bodies)-1])) {
					t.Errorf("%q makes a body that is no JSON", odd)
				}
			}
		}
	})
}

func TestSDK_WouldReadTheSame(t *testing.T) {
	rows := wrongAnswers()
	for _, row := range captchaCodes() {
		rows = append(rows, answerRow{row.name, http.StatusOK, row.body()})
	}
	for _, row := range errorCodes() {
		rows = append(rows, answerRow{row.code, http.StatusOK, errorBody(row.code)})
	}
	for _, body := range []string{passes, sampleInternalError, sampleBusy} {
		rows = append(rows, answerRow{body, http.StatusOK, body})
	}
	rows = append(rows, oddAnswers()...)
	for _, row := range rows {
		for _, mini := range []bool{false, true} {
			got := reading(newClient(t, answering(row.status, row.body)).Verify(t.Context(), ticketOf(mini)))
			want := newOracle(t, config("https://captcha.example"), answering(row.status, row.body)).reads(t.Context(), ticketOf(mini))
			if row.status != http.StatusOK {
				want = "nothing" // the SDK may look into the body; the API says 200 to all that it processed
			}
			if got != want {
				t.Errorf("%s, mini %v: we read %s, the SDK %s", row.name, mini, got, want)
			}
		}
	}
	for _, code := range badCalls() {
		got := reading(newClient(t, answering(200, errorBody(code))).Verify(t.Context(), webTicket()))
		want := newOracle(t, config("https://captcha.example"), answering(200, errorBody(code))).reads(t.Context(), webTicket())
		if got != "a bad call" || want != "code "+code {
			t.Errorf("%s: we read %s, the SDK %s", code, got, want)
		}
	}
}

// oddAnswers lists answers that are readable, though nobody would write them.
func oddAnswers() []answerRow {
	return []answerRow{
		{"more than is known", 200, `{"Response":{"CaptchaCode":1,"New":{"a":[1,{}]},"RequestId":"r"},"retcode":-1,"retmsg":null,"more":[]}`},
		{"nulls", 200, `{"Response":{"Error":null,"CaptchaCode":1,"CaptchaMsg":null,"EvilLevel":null,"Score":null,"RequestId":null}}`},
		{"a code twice", 200, `{"Response":{"CaptchaCode":8,"CaptchaCode":1}}`},
		{"a code and then null", 200, `{"Response":{"CaptchaCode":1,"CaptchaCode":null}}`},
		{"a response twice", 200, `{"Response":{"CaptchaCode":1,"CaptchaMsg":"a"},"Response":{"CaptchaMsg":"b"}}`},
		{"a response and then null", 200, `{"Response":{"CaptchaCode":1},"Response":null}`},
		{"broken characters", 200, "{\"Response\":{\"CaptchaCode\":1,\"CaptchaMsg\":\"a\xff\xfeb\",\"\xff\":\"\xc3\"}}"},
		{"half a character", 200, `{"Response":{"CaptchaCode":1,"CaptchaMsg":"a\ud800b\udc00"}}`},
		{"escapes", 200, `{"Respons\u0065":{"CaptchaCod\u0065":1,"CaptchaMsg":"\u2028\/\"\u0000"}}`},
		{"spaces", 200, " \r\n{ \"Response\" :\t{ \"CaptchaCode\" : 1 } } \n"},
		{"minus nothing", 200, `{"Response":{"CaptchaCode":-0}}`},
		{"one with an exponent", 200, `{"Response":{"CaptchaCode":1e0}}`},
		{"true", 200, `{"Response":{"CaptchaCode":true}}`},
		{"a mark of the byte order", 200, "\ufeff" + passes},
		{"error and answer", 200, `{"Response":{"CaptchaCode":1,"Error":{"Code":"InternalError","Message":"m"}}}`},
		{"error without a name and answer", 200, `{"Response":{"CaptchaCode":1,"Error":{"Code":""}}}`},
		{"error of the old API and answer", 200, `{"code":4100,"codeDesc":"AuthFailure","Response":{"CaptchaCode":1}}`},
		{"fine by the old API", 200, `{"code":0,"codeDesc":"Success","Response":{"CaptchaCode":1}}`},
		{"code of the old API is a text", 200, `{"code":"OK","Response":{"CaptchaCode":1}}`},
		{"message is a number", 200, `{"Response":{"CaptchaCode":1,"CaptchaMsg":7}}`},
	}
}
