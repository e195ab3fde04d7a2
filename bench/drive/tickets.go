package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// A Ticket is one of the simulator's.
type Ticket struct {
	Ticket  string `json:"ticket"`
	Randstr string `json:"randstr"`
}

// Tickets fetches n good tickets, at most 100,000, from the simulator.
func Tickets(ctx context.Context, addr string, n int) ([]Ticket, error) {
	var out []Ticket
	err := Call(ctx, http.MethodPost, "http://"+addr+"/_sim/tickets", fmt.Sprintf(`{"kind":"valid","count":%d}`, n), &out)
	return out, err
}

// Call makes one call to the controls of a simulated API of this machine and
// reads its JSON answer into into, which may be nil.
func Call(ctx context.Context, method, url, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	if err := Loopback(req.URL.Host); err != nil {
		return err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// AppendQuestion appends the body of a request to POST /v1/verify about the
// n-th user: 62,500 addresses in as many networks. scene may be empty.
func AppendQuestion(b []byte, t Ticket, n int, scene string) []byte {
	b = append(b, `{"ticket":"`...)
	b = append(b, t.Ticket...)
	b = append(b, `","randstr":"`...)
	b = append(b, t.Randstr...)
	b = append(b, `","user_ip":"10.`...)
	b = strconv.AppendInt(b, int64(n/250%250), 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(n%250), 10)
	b = append(b, ".7\""...)
	if scene != "" {
		b = append(b, `,"scene":"`...)
		b = append(b, scene...)
		b = append(b, '"')
	}
	return append(b, '}')
}

// Made makes requests with tickets that only an API takes which takes all:
// as long as real ones, each a new one across the whole run.
func Made(run string, scene string) Bodies {
	return func(into []byte, n int) []byte { return AppendQuestion(into, made(run, n), n, scene) }
}

func made(run string, n int) Ticket {
	return Ticket{Ticket: "tr03light" + run + fmt.Sprintf("%072d", n), Randstr: "@a1b2c3d4e5f"}
}

// Given makes requests with tickets of the simulator's.
func Given(tickets []Ticket, scene string) Bodies {
	return func(into []byte, n int) []byte { return AppendQuestion(into, tickets[n], n, scene) }
}
