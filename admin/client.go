package admin

import (
	"bytes"
	"context"
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
	HTTP  *http.Client // nil = one that waits ten seconds and follows no redirects
}

// Status returns how the gateway is. The error is an *api.Problem if the gateway
// refuses; in any case it says what to do.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return c.ask(ctx, http.MethodGet, "/admin/v1/status", nil)
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
	return c.ask(ctx, http.MethodPut, "/admin/v1/mode", text)
}

// ErrAddress says that Client.URL is not an address of a gateway.
var ErrAddress = errors.New("the address of the gateway must be http://HOST:PORT, such as http://127.0.0.1:8081")

func (c *Client) ask(ctx context.Context, method, path string, body []byte) (status Status, err error) {
	base, err := url.Parse(c.URL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.User != nil {
		return status, ErrAddress
	}
	request, err := http.NewRequestWithContext(ctx, method, base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return status, err
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http().Do(request)
	if err != nil {
		return status, c.unreachable(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return status, c.unreachable(err)
	}
	if answer.StatusCode != http.StatusOK {
		return status, c.refused(answer, text)
	}
	if err := json.Unmarshal(text, &status); err != nil || status.Mode == "" {
		return status, c.notAGateway()
	}
	return status, nil
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return &http.Client{
		Timeout:       requestTime,
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
	return fmt.Errorf("cannot reach the gateway at %s: %w; is it running, and is this the address of its admin.listen?", c.URL, err)
}

// refused makes an error of an answer that is not the one asked for.
func (c *Client) refused(answer *http.Response, body []byte) error {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	problem := &api.Problem{}
	if answer.StatusCode == http.StatusNotFound || kind != "application/problem+json" || json.Unmarshal(body, problem) != nil {
		return c.notAGateway()
	}
	if problem.Status = answer.StatusCode; problem.Status == http.StatusUnauthorized {
		hint := "it was refused; " + TokenVariable + " must hold one of admin.tokens"
		if strings.TrimSpace(c.Token) == "" {
			hint = "set " + TokenVariable + " to one of admin.tokens, or say --config FILE for its admin.token_file"
		}
		problem.Detail = "the gateway at " + c.URL + " wants a token: " + hint
	}
	return problem
}

func (c *Client) notAGateway() error {
	return fmt.Errorf("what answers at %s is not a gateway's operators' listener; give the address of admin.listen", c.URL)
}
