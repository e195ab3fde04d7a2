package upstream_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"captchagate/captcha"

	"github.com/prometheus/client_golang/prometheus"
)

func TestVerify_ClassifiesCaptchaCodes(t *testing.T) {
	for _, row := range captchaCodes() {
		t.Run(row.name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			c := newClientAt(t, "https://captcha.example", answering(200, row.body()), reg)
			v, err := c.Verify(t.Context(), ticketOf(row.mini))
			if err != nil {
				t.Fatal(err)
			}
			if v.Outcome != row.want {
				t.Errorf("outcome is %v, want %v", v.Outcome, row.want)
			}
			if v.Answer == nil || v.Answer.Message != "said" || v.Answer.RequestID != "r-1" || !strings.Contains(row.fields, `:`+strconv.FormatInt(v.Answer.Code, 10)) {
				t.Errorf("answer is %+v", v.Answer)
			}
			if got := unknownCodes(t, reg); got != row.unknown {
				t.Errorf("unknown codes counted: %v, want %v", got, row.unknown)
			}
		})
	}
}

func TestVerify_PassesOnWhatTheAnswerSays(t *testing.T) {
	body := `{"Response":{"CaptchaCode":1,"CaptchaMsg":"OK","EvilLevel":0,"GetCaptchaTime":1700000000,"SubmitCaptchaTime":1700000001,
		"EvilBitmap":3,"DeviceRiskCategory":"none","Score":42,"RequestId":"9e1b3d6a-0000-4000-8000-000000000001","New":{"a":[1]}}}`
	v, err := newClient(t, answering(200, body)).Verify(t.Context(), webTicket())
	if err != nil {
		t.Fatal(err)
	}
	want := captcha.Answer{Code: 1, Message: "OK", Score: 42, RequestID: "9e1b3d6a-0000-4000-8000-000000000001"}
	if *v.Answer != want {
		t.Errorf("answer is %+v, want %+v", *v.Answer, want)
	}
}

func TestVerify_CutsLongTexts(t *testing.T) {
	body := fmt.Sprintf(`{"Response":{"CaptchaCode":1,"CaptchaMsg":%q,"RequestId":%q}}`, "xx"+strings.Repeat("验", 200), strings.Repeat("r", 99))
	v, err := newClient(t, answering(200, body)).Verify(t.Context(), webTicket())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(v.Answer.Message); n != 254 || !utf8.ValidString(v.Answer.Message) {
		t.Errorf("message has %d bytes, want the 254 of whole characters; valid UTF-8: %v", n, utf8.ValidString(v.Answer.Message))
	}
	if n := len(v.Answer.RequestID); n != 64 {
		t.Errorf("request id has %d bytes", n)
	}
	broken := "{\"Response\":{\"CaptchaCode\":1,\"CaptchaMsg\":\"a\xff\xfeb\"}}"
	v, err = newClient(t, answering(200, broken)).Verify(t.Context(), webTicket())
	if err != nil || !utf8.ValidString(v.Answer.Message) {
		t.Errorf("broken UTF-8 is passed on: %q, %v", v.Answer.Message, err)
	}
}

// want is what a failure has to say besides its kind.
type want struct {
	kind        captcha.Kind
	fateUnknown bool
	retryable   bool
}

var (
	fault         = want{captcha.Fault, true, true}
	neverArrived  = want{captcha.Fault, false, true}
	throttled     = want{captcha.Throttled, false, true}
	quota         = want{captcha.Throttled, false, false}
	misconfigured = want{captcha.Misconfigured, false, false}
	stale         = want{captcha.Misconfigured, false, true}
	goneBefore    = want{captcha.Cancelled, false, false}
	goneAfter     = want{captcha.Cancelled, true, false}
)

func (w want) check(t *testing.T, err error) *captcha.Failure {
	t.Helper()
	f := failureOf(t, err)
	if got := (want{f.Kind, f.FateUnknown, f.Retryable}); got != w {
		t.Errorf("kind, fate unknown, retryable: %v, want %v (%v)", got, w, f)
	}
	return f
}

func TestVerify_ClassifiesErrorCodes(t *testing.T) {
	for _, row := range errorCodes() {
		for _, ticket := range []captcha.Ticket{webTicket(), miniTicket()} {
			t.Run(fmt.Sprintf("%s mini=%v", row.code, ticket.Mini), func(t *testing.T) {
				v, err := newClient(t, answering(200, errorBody(row.code))).Verify(t.Context(), ticket)
				f := row.want.check(t, err)
				if f.Code != row.code || f.Answer != nil || v.Outcome != captcha.Rejected {
					t.Errorf("code %q, answer %v, verdict %v", f.Code, f.Answer, v)
				}
				if !strings.Contains(f.Error(), row.code) || !strings.Contains(f.Error(), "9e1b3d6a") {
					t.Errorf("error %q names neither code nor request", f)
				}
			})
		}
	}
}

func TestVerify_BadCallsAreRejections(t *testing.T) {
	for _, code := range badCalls() {
		t.Run(code, func(t *testing.T) {
			v, err := newClient(t, answering(200, errorBody(code))).Verify(t.Context(), webTicket())
			if err != nil || v.Outcome != captcha.Rejected || v.Answer != nil {
				t.Errorf("verdict %+v, error %v", v, err)
			}
		})
	}
}

func TestVerify_CodesThatAreAboutTheAPI(t *testing.T) {
	rows := []struct {
		name   string
		ticket captcha.Ticket
		code   int64
		want   want
	}{
		{"busy", webTicket(), 26, fault},
		{"mini busy", miniTicket(), 26, fault},
		{"mini arrears", miniTicket(), 31, misconfigured},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			body := fmt.Sprintf(`{"Response":{"CaptchaCode":%d,"CaptchaMsg":"said","RequestId":"r"}}`, row.code)
			_, err := newClient(t, answering(200, body)).Verify(t.Context(), row.ticket)
			f := row.want.check(t, err)
			if f.Code != strconv.FormatInt(row.code, 10) || f.Answer == nil || f.Answer.Code != row.code || f.Answer.Message != "said" {
				t.Errorf("code %q, answer %+v", f.Code, f.Answer)
			}
		})
	}
}
