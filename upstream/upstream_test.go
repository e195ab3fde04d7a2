package upstream_test

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"captchagate/captcha"
	"captchagate/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// Secrets and user input of the tests; no error may hold any of them.
const (
	secretID     = "AKIDsecretid0001"
	secretKey    = "secretkey0002"
	appSecretKey = "appsecretkey0003"
	ticketValue  = "tr03ticket_0004*"
	randstr      = "@rand0005"
	appID        = 190000001
)

func config(endpoint string) upstream.Config {
	return upstream.Config{
		Endpoint: endpoint, SecretID: secretID, SecretKey: secretKey,
		Apps: []upstream.App{{CaptchaAppID: appID, AppSecretKey: appSecretKey}},
	}
}

func webTicket() captcha.Ticket {
	return captcha.Ticket{Value: ticketValue, Randstr: randstr, AppID: appID, UserIP: netip.MustParseAddr("203.0.113.7")}
}

func miniTicket() captcha.Ticket {
	t := webTicket()
	t.Randstr, t.Mini = "", true
	return t
}

func ticketOf(mini bool) captcha.Ticket {
	if mini {
		return miniTicket()
	}
	return webTicket()
}

// A wire is a transport made of a function.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// answering is a transport that reads the request and gives the same answer.
func answering(status int, body string) wire {
	return func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		return response(status, body), nil
	}
}

func response(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// failing is a transport that reads the request and then fails.
func failing(err error) wire {
	return func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		return nil, err
	}
}

func newClient(t testing.TB, w http.RoundTripper) *upstream.Client {
	t.Helper()
	return newClientAt(t, "https://captcha.example", w, prometheus.NewRegistry())
}

func newClientAt(t testing.TB, endpoint string, w http.RoundTripper, reg prometheus.Registerer) *upstream.Client {
	t.Helper()
	c, err := upstream.New(config(endpoint), 8, w, reg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// failureOf returns err as the *captcha.Failure that it has to be.
func failureOf(t testing.TB, err error) *captcha.Failure {
	t.Helper()
	f, ok := err.(*captcha.Failure) //nolint:errorlint // the type itself is the promise
	if !ok {
		t.Fatalf("error is %T (%v), want *captcha.Failure", err, err)
	}
	if f.Err == nil {
		t.Fatal("the failure says nothing")
	}
	return f
}

// unknownCodes reads the counter of codes without a meaning.
func unknownCodes(t testing.TB, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "captchagate_upstream_unknown_codes_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("captchagate_upstream_unknown_codes_total is not there")
	return 0
}

func TestNew_RefusesWhatItCannotUse(t *testing.T) {
	reg := prometheus.NewRegistry()
	cfg := config("https://captcha.example")
	cfg.SecretKey = ""
	_, err := upstream.New(cfg, 0, nil, reg)
	if err == nil || !strings.Contains(err.Error(), "secret_key: is empty") || !strings.Contains(err.Error(), "max_in_flight: must be at least 1") {
		t.Errorf("error is %v, want both mistakes", err)
	}

	taken := prometheus.NewGauge(prometheus.GaugeOpts{Name: "captchagate_upstream_unknown_codes_total", Help: "another"})
	reg.MustRegister(taken)
	if _, err = upstream.New(config("https://captcha.example"), 1, nil, reg); err == nil {
		t.Error("a name that is taken is not reported")
	}
}

func TestNew_SharesTheMetricOfTheClientItReplaces(t *testing.T) {
	reg := prometheus.NewRegistry()
	for range 2 {
		c := newClientAt(t, "https://captcha.example", answering(200, `{"Response":{"CaptchaCode":999}}`), reg)
		if _, err := c.Verify(t.Context(), webTicket()); err != nil {
			t.Fatal(err)
		}
	}
	if got := unknownCodes(t, reg); got != 2 {
		t.Errorf("counted %v, want 2", got)
	}
}

func TestVerify_UnknownAppIsNotAsked(t *testing.T) {
	c := newClient(t, failing(errors.New("asked")))
	ticket := webTicket()
	ticket.AppID = 4711
	_, err := c.Verify(t.Context(), ticket)
	f := failureOf(t, err)
	if f.Kind != captcha.Misconfigured || f.FateUnknown || f.Retryable || !strings.Contains(f.Error(), "4711") {
		t.Errorf("failure is %+v", f)
	}
}

func mustNew(t testing.TB, cfg upstream.Config, w http.RoundTripper) *upstream.Client {
	t.Helper()
	c, err := upstream.New(cfg, 8, w, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func appWith(id uint64, key string) upstream.App {
	return upstream.App{CaptchaAppID: id, AppSecretKey: key}
}
