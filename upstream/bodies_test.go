package upstream_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"captchagate/captcha"
)

// The two answers by which the disaster recovery scheme knows an outage.
const (
	sampleInternalError = `{
    "Response": {
        "Error": {
            "Code": "InternalError",
            "Message": "An internal error has occurred. Retry your request. If the problem persists, contact us."
        },
        "RequestId": "xxxxxxxxxxx"
    }
}`
	sampleBusy = `{
    "Response": {
        "CaptchaCode": 26,
        "CaptchaMsg": "System busy. For more information, please see the Captcha documentation. Search for the keyword \"DescribeCaptchaResult\", and check the description of the CaptchaCode field in the output parameters",
        "EvilLevel": 0,
        "GetCaptchaTime": 0,
        "RequestId": "xxxxxxxxxxx"
    },
    "retcode": 0,
    "retmsg": "ok"
}`
)

func TestVerify_KnowsTheOutagesOfTheRecoveryScheme(t *testing.T) {
	_, err := newClient(t, answering(200, sampleInternalError)).Verify(t.Context(), webTicket())
	if f := fault.check(t, err); f.Code != "InternalError" || f.Answer != nil {
		t.Errorf("code %q, answer %+v", f.Code, f.Answer)
	}
	_, err = newClient(t, answering(200, sampleBusy)).Verify(t.Context(), webTicket())
	if f := fault.check(t, err); f.Code != "26" || f.Answer == nil || f.Answer.Code != captcha.CodeBusy || f.Answer.RequestID != "xxxxxxxxxxx" {
		t.Errorf("code %q, answer %+v", f.Code, f.Answer)
	}
	// The sample as it is printed, its inner quotes not escaped, is no JSON.
	_, err = newClient(t, answering(200, strings.ReplaceAll(sampleBusy, `\"`, `"`))).Verify(t.Context(), webTicket())
	fault.check(t, err)
}

// An answerRow is an answer and what it is called.
type answerRow struct {
	name   string
	status int
	body   string
}

// wrongAnswers lists answers that say nothing about a ticket.
func wrongAnswers() []answerRow {
	deep := strings.Repeat("[", 200_000)
	whole := `{"Response":{"CaptchaCode":1,"CaptchaMsg":"OK","EvilLevel":0,"RequestId":"r"}}`
	return []answerRow{
		{"empty", 200, ""},
		{"null", 200, "null"},
		{"a number", 200, "1"},
		{"an array", 200, "[]"},
		{"an object without anything", 200, "{}"},
		{"null response", 200, `{"Response":null}`},
		{"response without anything", 200, `{"Response":{}}`},
		{"response is a string", 200, `{"Response":"OK"}`},
		{"null code", 200, `{"Response":{"CaptchaCode":null,"RequestId":"r"}}`},
		{"code is a string", 200, `{"Response":{"CaptchaCode":"OK"}}`},
		{"code is a fraction", 200, `{"Response":{"CaptchaCode":1.5}}`},
		{"code too long", 200, `{"Response":{"CaptchaCode":99999999999999999999}}`},
		{"error without a code", 200, `{"Response":{"Error":{}}}`},
		{"error is a string", 200, `{"Response":{"Error":"no"}}`},
		{"error of the old API", 200, `{"code":4000,"message":"m","codeDesc":"Whatever"}`},
		{"error of the old API without a name", 200, `{"code":4000}`},
		{"half", 200, whole[:len(whole)/2]},
		{"two", 200, whole + whole},
		{"garbage behind", 200, whole + "<!-- -->"},
		{"binary", 200, "\x00\x01\xff\xfe"},
		{"html in a 200", 200, "<html><body>It works</body></html>"},
		{"deep", 200, deep},
		{"deep in the code", 200, `{"Response":{"CaptchaCode":` + deep + strings.Repeat("]", len(deep)) + `}}`},
		{"502 in html", 502, "<html><h1>Bad Gateway</h1></html>"},
		{"504 empty", 504, ""},
		{"500 with a pass", 500, whole},
		{"503 with an error", 503, sampleInternalError},
		{"403", 403, "no"},
		{"204", 204, ""},
		{"201 with a pass", 201, whole},
	}
}

func TestVerify_UnreadableAnswersAreFaults(t *testing.T) {
	for _, row := range wrongAnswers() {
		for _, ticket := range []captcha.Ticket{webTicket(), miniTicket()} {
			t.Run(row.name, func(t *testing.T) {
				_, err := newClient(t, answering(row.status, row.body)).Verify(t.Context(), ticket)
				fault.check(t, err)
			})
		}
	}
}

// The body says what it is: a proxy may have put any of these on it.
func TestVerify_ContentTypeDoesNotMatter(t *testing.T) {
	for _, kind := range []string{"text/event-stream", "application/octet-stream", "text/html", ""} {
		t.Run(kind, func(t *testing.T) {
			c := newClient(t, wire(func(*http.Request) (*http.Response, error) {
				r := response(200, `{"Response":{"CaptchaCode":1}}`)
				r.Header.Set("Content-Type", kind)
				return r, nil
			}))
			v, err := c.Verify(t.Context(), webTicket())
			if err != nil || v.Outcome != captcha.Passed {
				t.Errorf("verdict %+v, error %v", v, err)
			}
		})
	}
}

// An encoding that nobody asked for is not unpacked: it could be a bomb.
func TestVerify_DoesNotUnpack(t *testing.T) {
	for _, encoding := range []string{"gzip", "deflate", "br"} {
		c := newClient(t, wire(func(*http.Request) (*http.Response, error) {
			r := response(200, "\x1f\x8b\x08\x00\x00\x00\x00\x00")
			r.Header.Set("Content-Encoding", encoding)
			return r, nil
		}))
		_, err := c.Verify(t.Context(), webTicket())
		fault.check(t, err)
	}
}

func TestVerify_ReadsAtMostOneMebibyte(t *testing.T) {
	pad := func(n int) string {
		body := `{"Response":{"CaptchaCode":1,"CaptchaMsg":"`
		tail := `"}}`
		return body + strings.Repeat("x", n-len(body)-len(tail)) + tail
	}
	for _, known := range []bool{true, false} {
		long := wire(func(*http.Request) (*http.Response, error) {
			r := response(200, pad(1<<20+1))
			if !known {
				r.ContentLength = -1
			}
			return r, nil
		})
		_, err := newClient(t, long).Verify(t.Context(), webTicket())
		if f := fault.check(t, err); !strings.Contains(f.Error(), "1 MiB") {
			t.Errorf("error %q does not say why", f)
		}
	}
	declared := wire(func(*http.Request) (*http.Response, error) {
		r := response(200, "")
		r.Body, r.ContentLength = io.NopCloser(failingReader{io.ErrNoProgress}), 1<<20+1
		return r, nil
	})
	_, err := newClient(t, declared).Verify(t.Context(), webTicket())
	if f := fault.check(t, err); !strings.Contains(f.Error(), "1 MiB") {
		t.Errorf("a body that says it is too long was read: %q", f)
	}
	v, err := newClient(t, answering(200, pad(1<<20))).Verify(t.Context(), webTicket())
	if err != nil || v.Outcome != captcha.Passed || len(v.Answer.Message) != 256 {
		t.Errorf("an answer of 1 MiB: %v, %v", v.Outcome, err)
	}
}

// A1, S7: an API, or who answers in its place, that says that it switches protocols
// and then nothing does not keep the call.
func TestVerify_DoesNotWaitForAnotherProtocol(t *testing.T) {
	silent := make(chan struct{})
	client, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-silent
	})
	t.Cleanup(func() { close(silent) })
	_, err := client.Verify(t.Context(), webTicket())
	fault.check(t, err)
}
