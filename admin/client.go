package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	"captchagate/api"
	"captchagate/control"
)

// maxAnswer bounds an answer that the client reads, in bytes.
const maxAnswer = 4 << 20

// TokenVariable is the environment variable that the commands take the token
// from; errors name it.
const TokenVariable = "GATEWAY_ADMIN_TOKEN"

// Client asks a running gateway. It is what the commands use.
type Client struct {
	URL   string       // of the operators' listener, such as http://127.0.0.1:8081
	Token string       // may be empty if the gateway has no tokens
	From  string       // where the token comes from, for errors; "" = TokenVariable
	TLS   *tls.Config  // of an https URL; nil = the system's authorities are trusted
	HTTP  *http.Client // nil = one that waits ten seconds and follows no redirects
}

// Status returns how the gateway is. The error is an *api.Problem if the gateway
// refuses; in any case it says what to do.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return c.askStatus(ctx, http.MethodGet, "/admin/v1/status", nil)
}

// SetMode makes a change and returns how the gateway is then. The change's
// actor is not sent: the token names it. Errors are as of Status.
func (c *Client) SetMode(ctx context.Context, change control.Change) (Status, error) {
	body := struct {
		Mode   control.Mode `json:"mode"`
		Reason string       `json:"reason"`
		For    string       `json:"for,omitempty"`
		Scene  string       `json:"scene,omitempty"`
		Share  *float64     `json:"share,omitempty"`
	}{change.Mode, change.Reason, "", change.Scene, change.Share}
	if change.For != 0 {
		body.For = change.For.String()
	}
	text, err := json.Marshal(body)
	if err != nil {
		return Status{}, fmt.Errorf("admin: the change cannot be written as JSON: %w", err)
	}
	return c.askStatus(ctx, http.MethodPut, "/admin/v1/mode", text)
}

// Reload has the gateway read its configuration again, and returns what came of
// it in sentences that may be printed. Errors are as of Status.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	status, err := c.askStatus(ctx, http.MethodPost, "/admin/v1/reload", nil)
	came := Reloaded{Summary: api.Printable(status.Reload)}
	for _, warning := range status.ReloadWarnings {
		came.Warnings = append(came.Warnings, api.Printable(warning))
	}
	return came, err
}

// TestAlarms has the gateway send an alarm that is a test. Without an error it was taken.
// Errors are as of Status.
func (c *Client) TestAlarms(ctx context.Context) error {
	var came AlarmsTest
	err := c.ask(ctx, http.MethodPost, "/admin/v1/alarms/test", nil, &came)
	if err == nil && !came.Taken {
		err = c.notAGateway()
	}
	return err
}

// Who returns what a user is called in the log, by address, subject or both,
// newest month first. Errors are as of Status.
func (c *Client) Who(ctx context.Context, ip, subject string) ([]Name, error) {
	text, err := json.Marshal(struct {
		IP      string `json:"ip,omitempty"`
		Subject string `json:"subject,omitempty"`
	}{ip, subject})
	if err != nil {
		return nil, fmt.Errorf("admin: the question cannot be written as JSON: %w", err)
	}
	var found Names
	err = c.ask(ctx, http.MethodPost, "/admin/v1/who", text, &found)
	return found.Names, err
}

func (c *Client) askStatus(ctx context.Context, method, path string, body []byte) (status Status, err error) {
	if err = c.ask(ctx, method, path, body, &status); err == nil && status.Mode == "" {
		err = c.notAGateway()
	}
	return status, err
}

// ErrAddress says that Client.URL is not an address of a gateway.
var ErrAddress = errors.New("the address of the gateway must be http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:8081")

// ask asks, and reads the answer into a struct.
func (c *Client) ask(ctx context.Context, method, path string, body []byte, into any) error {
	return c.send(ctx, method, path, nil, body, into)
}

// askFor asks for what is read.
func (c *Client) askFor(ctx context.Context, path string, query url.Values, into any) error {
	return c.send(ctx, http.MethodGet, path, query, nil, into)
}

func (c *Client) send(ctx context.Context, method, path string, query url.Values, body []byte, into any) error {
	request, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	text, err := c.do(request)
	if err == nil && json.Unmarshal(text, into) != nil {
		err = c.notAGateway()
	}
	return err
}

// request is one to the gateway, with the token.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Request, error) {
	base, err := url.Parse(c.URL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.User != nil {
		return nil, ErrAddress
	}
	at := base.JoinPath(path)
	at.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// do returns the body of what is answered with 200.
func (c *Client) do(request *http.Request) ([]byte, error) {
	answer, err := c.http().Do(request)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, c.refused(answer, text)
	}
	return text, nil
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return &http.Client{
		Timeout:       requestTime,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.TLS},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *Client) unreachable(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // without the address, which stands before it
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("no answer from %s in time: %w", c.URL, err)
	}
	if todo := c.untrusted(err); todo != "" {
		return fmt.Errorf("the certificate at %s is not trusted: %w; %s", c.URL, err, todo)
	}
	return fmt.Errorf("cannot reach the gateway at %s: %w; is it running, and is this the address of its admin.listen?", c.URL, err)
}

// untrusted says what to do if err is about the listener's certificate, else "".
func (c *Client) untrusted(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, otherName := errors.AsType[x509.HostnameError](err)
	switch {
	case (unknown || otherName) && c.TLS != nil:
		return "only the one in admin.tls.cert of --config is: is that the file of the gateway at this address?"
	case unknown:
		return "on the gateway's machine say --config FILE, whose admin.tls.cert is trusted then; on another one name its authority's file in SSL_CERT_FILE, or add it to those that the system trusts"
	case otherName:
		return "say --admin-url with one of those names; on the gateway's machine --config FILE does without"
	}
	return ""
}

// errNothingThere says that a gateway, perhaps one of another version, has nothing at an
// address. It adds no words.
var errNothingThere = errors.New("")

// refused makes an error of an answer that is not the one asked for.
func (c *Client) refused(answer *http.Response, body []byte) error {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	problem := &api.Problem{}
	if kind != "application/problem+json" || json.Unmarshal(body, problem) != nil {
		return c.notAGateway()
	}
	if answer.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w%w", errNothingThere, c.notAGateway())
	}
	if problem.Status = answer.StatusCode; problem.Status == http.StatusUnauthorized {
		hint := "that of " + cmp.Or(c.From, TokenVariable+", which must hold one of admin.tokens,") + " was refused"
		if strings.TrimSpace(c.Token) == "" {
			if hint = "set " + TokenVariable + " to one of admin.tokens"; c.From == "" {
				hint += ", or say --config FILE for its admin.token_file"
			}
		}
		problem.Detail = "the gateway at " + c.URL + " wants a token: " + hint
	}
	return problem
}

func (c *Client) notAGateway() error {
	return fmt.Errorf("what answers at %s is not a gateway's operators' listener; give the address of admin.listen", c.URL)
}
