// Package client asks a Captchagate gateway about users. It is made of the standard
// library alone: import it, or copy the folder.
//
//	gate := client.Client{URL: "http://127.0.0.1:8080", Key: os.Getenv("SHOP_KEY")}
//	answer, err := gate.Verify(ctx, client.Request{Ticket: ticket, Randstr: randstr, UserIP: ip, Scene: "login"})
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultTimeout is how long a question takes at most: longer than the gateway's
	// own deadline of 2 s, so that its answer comes first.
	DefaultTimeout = 5 * time.Second
	// pause is the time between the two tries of a question.
	pause = 100 * time.Millisecond
	// maxAnswer is more than the gateway ever answers, in bytes.
	maxAnswer = 64 << 10
)

// A Client asks one gateway. It is safe for concurrent use as long as nobody changes
// its fields.
type Client struct {
	URL     string        // of the gateway, such as http://127.0.0.1:8080
	Key     string        // of the gateway's api_keys; "" = it has none
	Timeout time.Duration // of a question with its second try; 0 = DefaultTimeout
	HTTP    *http.Client  // nil = one over the default transport
}

// A Request is a question about one user. Ticket and Randstr, or else Challenge, are
// what the user's browser sent, whatever that is: the gateway decides about it.
type Request struct {
	Ticket    string `json:"ticket,omitempty"`
	Randstr   string `json:"randstr,omitempty"`
	Challenge string `json:"challenge,omitempty"` // solution of an alternate challenge
	UserIP    string `json:"user_ip"`             // required
	Scene     string `json:"scene,omitempty"`     // "" = "default"
	AppID     uint64 `json:"captcha_app_id,omitempty"`
	Type      string `json:"type,omitempty"`      // "web", which "" is too, or "mini"
	Subject   string `json:"subject,omitempty"`   // opaque account key, at most 256 bytes
	Reference string `json:"reference,omitempty"` // opaque, comes back in re-verification reports, at most 256 bytes

	// IdempotencyKey, 1 to 128 printable ASCII characters, has the gateway repeat its
	// answer to the same question for 5 minutes. "" = one is made for this question.
	IdempotencyKey string `json:"-"`
}

// A Decision is what to do with the user.
type Decision string

// The decisions.
const (
	Allow     Decision = "allow"
	Deny      Decision = "deny"
	Challenge Decision = "challenge" // show Answer.Challenge, and ask again with its solution
)

// An Assurance is how sure an allowance is.
type Assurance string

// The assurances.
const (
	Full    Assurance = "full"    // the Captcha API verified it
	Reduced Assurance = "reduced" // an alternate challenge was solved
	None    Assurance = "none"
)

// An Answer is the gateway's about one user.
type Answer struct {
	Decision  Decision        `json:"decision"`
	Reason    string          `json:"reason"` // such as "verified", "rejected", "degraded_allow"
	Assurance Assurance       `json:"assurance"`
	Mode      string          `json:"mode"`  // "normal" or "degraded": who decided
	Cause     string          `json:"cause"` // why the Captcha API did not; "" = it did
	Captcha   *Captcha        `json:"captcha"`
	Attempts  int             `json:"attempts"`    // calls made to the Captcha API
	ID        string          `json:"decision_id"` // by which the gateway's log is searched
	Challenge json.RawMessage `json:"challenge"`   // for the page, if Decision is Challenge
	Replay    bool            `json:"-"`           // it is that of an earlier request
}

// Captcha is the last answer of the Captcha API.
type Captcha struct {
	Code      int64  `json:"code"`
	Message   string `json:"message"`
	EvilLevel int64  `json:"evil_level"` // 0, or 100 for malicious
	Score     int64  `json:"score"`      // 0..100, higher is more bot-like
	RequestID string `json:"request_id"`
}

// An Error says why a gateway refused a question: something in it, or in the key, is
// wrong. It is never about the user.
type Error struct {
	Status int          `json:"status"` // of HTTP
	Detail string       `json:"detail"`
	Fields []FieldError `json:"errors"`
}

// A FieldError is one thing that is wrong.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error says all of it.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "captchagate: %d: %s", e.Status, e.Detail)
	for _, f := range e.Fields {
		text.WriteString("; " + f.Field + ": " + f.Detail)
	}
	return text.String()
}

// Verify asks about one user. Its error is an *Error, or says that no gateway answered:
// what happens to the user then is yours to choose.
//
// A question to which no answer came is asked once more within Timeout, under the same
// Idempotency-Key: the ticket is used once.
func (c *Client) Verify(ctx context.Context, r Request) (Answer, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if r.IdempotencyKey == "" {
		r.IdempotencyKey = rand.Text()
	}
	a, err := c.ask(ctx, r)
	if err == nil || !again(ctx, err) {
		return a, err
	}
	return c.ask(ctx, r)
}

// again waits a little, and reports whether to ask once more after err.
func again(ctx context.Context, err error) bool {
	if e, refused := errors.AsType[*Error](err); refused && e.Status < http.StatusBadGateway {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

func (c *Client) ask(ctx context.Context, r Request) (a Answer, err error) {
	address, err := url.JoinPath(c.URL, "v1/verify")
	if err != nil {
		return a, fmt.Errorf("captchagate: %w", err)
	}
	body, err := json.Marshal(r)
	if err != nil {
		return a, fmt.Errorf("captchagate: %w", err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("captchagate: %w", err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Idempotency-Key", r.IdempotencyKey)
	if c.Key != "" {
		q.Header.Set("Authorization", "Bearer "+c.Key)
	}
	answered, err := c.http().Do(q) //nolint:gosec // the address is the caller's own configuration
	if err != nil {
		return a, fmt.Errorf("captchagate: no answer: %w", err)
	}
	defer func() { _ = answered.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(answered.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("captchagate: half an answer: %w", err)
	}
	if answered.StatusCode != http.StatusOK {
		return a, refusal(answered.StatusCode, text)
	}
	if err := json.Unmarshal(text, &a); err != nil || a.Decision == "" {
		return Answer{}, &Error{Status: http.StatusBadGateway, Detail: "the answer is none of a gateway's; check the URL"}
	}
	a.Replay = answered.Header.Get("Idempotent-Replay") == "true"
	return a, nil
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return &http.Client{}
}

// refusal is the problem that was answered, or that there is none.
func refusal(status int, text []byte) *Error {
	e := &Error{Status: status, Detail: http.StatusText(status)}
	if json.Unmarshal(text, e) != nil || e.Status != status {
		return &Error{Status: status, Detail: http.StatusText(status) + ", not by a gateway"}
	}
	return e
}
