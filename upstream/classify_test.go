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
	const passed, malicious, rejected = captcha.Passed, captcha.Malicious, captcha.Rejected
	rows := []struct {
		name    string
		mini    bool
		fields  string
		want    captcha.Outcome
		unknown float64 // counted as a code without a meaning
	}{
		{"ok", false, `"CaptchaCode":1,"EvilLevel":0`, passed, 0},
		{"ok, no level", false, `"CaptchaCode":1`, passed, 0},
		{"ok, null level", false, `"CaptchaCode":1,"EvilLevel":null`, passed, 0},
		{"ok but evil", false, `"CaptchaCode":1,"EvilLevel":100`, malicious, 0},
		{"ok but worse than documented", false, `"CaptchaCode":1,"EvilLevel":101`, malicious, 0},
		{"rejected and evil", false, `"CaptchaCode":8,"EvilLevel":100`, rejected, 0},
		{"randstr of another ticket", false, `"CaptchaCode":7`, rejected, 0},
		{"expired", false, `"CaptchaCode":8`, rejected, 0},
		{"reused", false, `"CaptchaCode":9`, rejected, 0},
		{"reused, old code", false, `"CaptchaCode":104`, rejected, 0},
		{"forged", false, `"CaptchaCode":15`, rejected, 0},
		{"other app", false, `"CaptchaCode":16`, rejected, 0},
		{"unsafe", false, `"CaptchaCode":21`, rejected, 0},
		{"no match", false, `"CaptchaCode":100`, rejected, 0},
		{"zero", false, `"CaptchaCode":0`, rejected, 1},
		{"negative", false, `"CaptchaCode":-1`, rejected, 1},
		{"historic", false, `"CaptchaCode":6`, rejected, 1},
		{"never heard of", false, `"CaptchaCode":4242`, rejected, 1},
		{"mini's arrears on web", false, `"CaptchaCode":31`, rejected, 1},
		{"mini's format error on web", false, `"CaptchaCode":10`, rejected, 1},
		{"mini ok", true, `"CaptchaCode":1`, passed, 0},
		{"mini reused", true, `"CaptchaCode":9`, rejected, 0},
		{"mini format error", true, `"CaptchaCode":10`, rejected, 0},
		{"mini invalid ticket", true, `"CaptchaCode":25`, rejected, 0},
		{"mini parameter error", true, `"CaptchaCode":100`, rejected, 0},
		{"mini never heard of", true, `"CaptchaCode":4242`, rejected, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			body := `{"Response":{` + row.fields + `,"CaptchaMsg":"said","RequestId":"r-1"},"retcode":0,"retmsg":"ok"}`
			c := newClientAt(t, "https://captcha.example", answering(200, body), reg)
			ticket := webTicket()
			if row.mini {
				ticket = miniTicket()
			}
			v, err := c.Verify(t.Context(), ticket)
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
	rows := []struct {
		code string
		want want
	}{
		{"InternalError", fault},
		{"InternalError.DbError", fault},
		{"ServiceUnavailable", fault},
		{"ResourceUnavailable", fault},
		{"ResourceInsufficient.Node", fault},
		{"FailedOperation", fault},
		{"SomethingNew.Tomorrow", fault},
		{"RequestLimitExceeded", throttled},
		{"RequestLimitExceeded.UinLimitExceeded", throttled},
		{"RequestLimitExceeded.IPLimitExceeded", throttled},
		{"RequestLimitExceeded.GlobalRegionUinLimitExceeded", throttled},
		{"LimitExceeded", quota},
		{"AuthFailure", misconfigured},
		{"AuthFailure.SecretIdNotFound", misconfigured},
		{"AuthFailure.SignatureFailure", misconfigured},
		{"AuthFailure.SignatureExpire", stale},
		{"AuthFailure.UnauthorizedOperation", misconfigured},
		{"UnauthorizedOperation", misconfigured},
		{"UnauthorizedOperation.Unauthorized", misconfigured},
		{"OperationDenied", misconfigured},
		{"IpNotInWhitelist", misconfigured},
		{"IpInBlacklist", misconfigured},
		{"UnsupportedRegion", misconfigured},
		{"UnsupportedOperation", misconfigured},
		{"UnsupportedProtocol", misconfigured},
		{"InvalidAction", misconfigured},
		{"InvalidRequest", misconfigured},
		{"NoSuchVersion", misconfigured},
		{"NoSuchProduct", misconfigured},
		{"ResourceNotFound", misconfigured},
		{"ActionOffline", misconfigured},
		{"DryRunOperation", misconfigured},
	}
	for _, row := range rows {
		for _, ticket := range []captcha.Ticket{webTicket(), miniTicket()} {
			t.Run(fmt.Sprintf("%s mini=%v", row.code, ticket.Mini), func(t *testing.T) {
				body := fmt.Sprintf(`{"Response":{"Error":{"Code":%q,"Message":"m"},"RequestId":"9e1b3d6a-0000-4000-8000-000000000001"}}`, row.code)
				v, err := newClient(t, answering(200, body)).Verify(t.Context(), ticket)
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
	for _, code := range []string{
		"InvalidParameter", "InvalidParameter.Ticket", "InvalidParameterValue", "InvalidParameterValue.TicketFormat",
		"InvalidParameterValueLimit", "InvalidParameterCombination", "MissingParameter", "UnknownParameter", "RequestSizeLimitExceeded",
	} {
		t.Run(code, func(t *testing.T) {
			body := fmt.Sprintf(`{"Response":{"Error":{"Code":%q,"Message":"m"},"RequestId":"r"}}`, code)
			v, err := newClient(t, answering(200, body)).Verify(t.Context(), webTicket())
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
