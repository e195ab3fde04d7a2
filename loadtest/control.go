package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A control is a door for steering: the simulator's or the operators'. It keeps
// to one connection, because a simulator that refuses connections still hears
// on one that it has.
type control struct {
	address string
	token   string // "" = none
	client  *http.Client
}

// simPatience is how long a simulator may take. Who gives up closes the connection, and
// one that refuses connections hears on no other.
const simPatience = 30 * time.Second

func newSimControl(address string) *control {
	c := newControl(address)
	c.client.Timeout = simPatience
	return c
}

func newControl(address string) *control {
	return &control{address: address, client: &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{MaxConnsPerHost: 1, IdleConnTimeout: 10 * time.Minute},
	}}
}

// ask makes a call and reads its JSON answer into into, which may be nil.
func (c *control) ask(ctx context.Context, method, path string, body, into any) error {
	text, err := c.text(ctx, method, path, body)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// text makes a call and returns its answer.
func (c *control) text(ctx context.Context, method, path string, body any) ([]byte, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, sent)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.client.Do(r)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("no answer from http://%s%s: %w; is it running?", c.address, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("the answer from http://%s%s broke off: %w", c.address, path, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s http://%s%s was refused: %s: %.300s", method, c.address, path, answer.Status, text)
	}
	return text, nil
}

func (c *control) close() { c.client.CloseIdleConnections() }
