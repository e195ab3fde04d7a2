package upstream_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"captchagate/captcha"
)

// checkSecrets fails where a failure shows what nobody may see, at any depth.
func checkSecrets(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	texts := []string{failureOf(t, err).Code}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		texts = append(texts, inner.Error())
	}
	shown := strings.Join(texts, " ")
	for _, secret := range []string{secretID, secretKey, appSecretKey, ticketValue, randstr} {
		if strings.Contains(shown, secret) {
			t.Errorf("%q holds %q", shown, secret)
		}
	}
}

// A server, or something in front of it, that sends back all it got.
func TestVerify_ErrorsHoldNoSecret(t *testing.T) {
	all := strings.Join([]string{secretID, secretKey, appSecretKey, ticketValue, randstr}, ".")
	bodies := []string{
		all,
		`{"` + all + `":`,
		`{"Response":{"Error":{"Code":"` + all + `","Message":"` + all + `"},"RequestId":"` + all + `"}}`,
		`{"Response":{"Error":{"Code":"InternalError.` + all + `","Message":"` + all + `"},"RequestId":"` + all + `"}}`,
		`{"Response":{"Error":{"Code":"AuthFailure.` + ticketValue + `","Message":"` + all + `"},"RequestId":"` + ticketValue + `"}}`,
		`{"Response":{"CaptchaCode":26,"CaptchaMsg":"` + all + `","RequestId":"` + all + `"}}`,
		`{"Response":{"CaptchaCode":31,"CaptchaMsg":"` + all + `","RequestId":"` + all + `"}}`,
		`{"Response":{"CaptchaCode":"` + all + `"}}`,
		`{"code":1,"message":"` + all + `","codeDesc":"` + all + `"}`,
	}
	for _, status := range []int{200, 302, 502} {
		for _, body := range bodies {
			for _, ticket := range []captcha.Ticket{webTicket(), miniTicket()} {
				_, err := newClient(t, answering(status, body)).Verify(t.Context(), ticket)
				if err == nil {
					if status == 200 && !ticket.Mini && strings.Contains(body, `"CaptchaCode":31`) {
						continue // on the web a rejection
					}
					t.Errorf("%d %s: no failure", status, body)
					continue
				}
				checkSecrets(t, err)
			}
		}
	}
	for _, broken := range []error{
		errors.New(all),
		&net.OpError{Op: "read", Net: "tcp", Err: errors.New(all)},
		&net.DNSError{Err: all, Name: all, Server: all},
		fmt.Errorf("proxyconnect %s: %w", all, errors.New(all)),
	} {
		_, err := newClient(t, failing(broken)).Verify(t.Context(), webTicket())
		checkSecrets(t, err)
	}
}

func TestVerify_KeepsTheCodeAsFarAsItLooksLikeOne(t *testing.T) {
	for sent, kept := range map[string]string{
		"AuthFailure.SecretIdNotFound":                     "AuthFailure.SecretIdNotFound",
		"AuthFailure.tr03_x":                               "AuthFailure",
		"AuthFailure.":                                     "AuthFailure",
		"no code at all":                                   "",
		"InternalError." + strings.Repeat("Very", 40):      "InternalError",
		strings.Repeat("Very", 40):                         "",
		"InternalError.Db.Shard" + strings.Repeat("x", 99): "InternalError.Db",
	} {
		body := fmt.Sprintf(`{"Response":{"Error":{"Code":%q,"Message":"m"},"RequestId":"r"}}`, sent)
		_, err := newClient(t, answering(200, body)).Verify(t.Context(), webTicket())
		if f := failureOf(t, err); f.Code != kept {
			t.Errorf("%q is kept as %q, want %q", sent, f.Code, kept)
		}
	}
}

func TestVerify_NamesRequestIDsOnly(t *testing.T) {
	for id, named := range map[string]bool{
		"9e1b3d6a-0000-4000-8000-00000000000f": true,
		"9E1B3D6A-0000-4000-8000-00000000000F": true,
		"9e1b3d6a-0000-4000-8000-00000000000g": false,
		"9e1b3d6a00000-4000-8000-00000000000f": false,
		"9e1b3d6a":                             false,
	} {
		body := fmt.Sprintf(`{"Response":{"Error":{"Code":"InternalError","Message":"m"},"RequestId":%q}}`, id)
		_, err := newClient(t, answering(200, body)).Verify(t.Context(), webTicket())
		if got := strings.Contains(failureOf(t, err).Error(), id); got != named {
			t.Errorf("%s is named: %v, want %v", id, got, named)
		}
	}
}

func FuzzVerify_NeverPanics(f *testing.F) {
	for _, body := range []string{
		"", "null", "{}", passes, passes[:20], sampleBusy, sampleInternalError, "<html>", "[[[[",
		`{"Response":null}`, `{"Response":{}}`, `{"Response":{"CaptchaCode":null}}`, `{"Response":{"CaptchaCode":31}}`,
		`{"Response":{"Error":{"Code":"InvalidParameterValue"}}}`, `{"code":1,"codeDesc":"AuthFailure"}`,
	} {
		f.Add(200, false, []byte(body))
		f.Add(200, true, []byte(body))
		f.Add(502, false, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, mini bool, body []byte) {
		c := newClient(t, wire(func(*http.Request) (*http.Response, error) { return response(status, string(body)), nil }))
		ticket := webTicket()
		if mini {
			ticket = miniTicket()
		}
		v, err := c.Verify(t.Context(), ticket)
		if err != nil {
			checkSecrets(t, err)
			if fl := failureOf(t, err); fl.Kind == captcha.Cancelled || v.Outcome != captcha.Rejected {
				t.Errorf("failure %v with verdict %v", fl, v)
			}
			return
		}
		if status != 200 {
			t.Errorf("a verdict from status %d", status)
		}
		if v.Outcome != captcha.Rejected && (v.Answer == nil || v.Answer.Code != captcha.CodeOK) {
			t.Errorf("outcome %v of answer %+v", v.Outcome, v.Answer)
		}
		if v.Answer != nil && (len(v.Answer.Message) > 256 || !utf8.ValidString(v.Answer.Message) || len(v.Answer.RequestID) > 64) {
			t.Errorf("answer is passed on as %+v", v.Answer)
		}
	})
}
