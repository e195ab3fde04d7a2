package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"captchagate/api"
	"captchagate/watch"
)

// silent is how long a stream may be silent: it has a comment every 15 seconds.
const silent = 3 * commentEvery

// Incidents returns the newest outages, newest first. Errors are as of Status.
func (c *Client) Incidents(ctx context.Context) ([]watch.Incident, error) {
	var list struct {
		Incidents []watch.Incident `json:"incidents"`
	}
	err := c.askFor(ctx, "/admin/v1/incidents", nil, &list)
	return list.Incidents, err
}

// Incident returns one of them. Errors are as of Status.
func (c *Client) Incident(ctx context.Context, id string) (i watch.Incident, err error) {
	text, err := c.incident(ctx, id, asJSON)
	if err == nil && json.Unmarshal(text, &i) != nil {
		err = c.notAGateway()
	}
	return i, err
}

// Story returns one of them in words, as Markdown in lines that may be printed. Errors are
// as of Status.
func (c *Client) Story(ctx context.Context, id string) (string, error) {
	text, err := c.incident(ctx, id, asMarkdown)
	lines := strings.Split(strings.ReplaceAll(string(text), "\u202f", " "), "\n")
	for i, line := range lines {
		lines[i] = api.Printable(line)
	}
	return strings.Join(lines, "\n"), err
}

func (c *Client) incident(ctx context.Context, id, form string) ([]byte, error) {
	request, err := c.request(ctx, http.MethodGet, "/admin/v1/incidents/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", form)
	text, err := c.do(request)
	if errors.Is(err, errNothingThere) {
		err = errors.New(`there is no incident of this id; "gateway incidents" lists those that are kept`)
	}
	return text, err
}

// Listen calls heard with the status, at once and whenever it changes, until ctx or the
// stream ends. The error says why the stream ended, and is not nil; it is as of Status if
// there was none.
func (c *Client) Listen(ctx context.Context, heard func(Status)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := c.request(ctx, http.MethodGet, eventsPath, nil, nil)
	if err != nil {
		return err
	}
	patience := time.AfterFunc(silent, func() { cancel(fmt.Errorf("nothing came from %s for %v", c.URL, silent)) })
	defer patience.Stop()
	endless := *c.http()
	endless.Timeout = 0
	answer, err := endless.Do(request)
	if err != nil {
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // what is no problem is no gateway
		return c.refused(answer, text)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxAnswer)
	readStatuses(lines, func() { patience.Reset(silent) }, heard)
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return fmt.Errorf("the gateway at %s ended the stream", c.URL)
}

// readStatuses reads the events of a stream, and leaves all but statuses out.
func readStatuses(lines *bufio.Scanner, alive func(), heard func(Status)) {
	event := ""
	for lines.Scan() {
		alive()
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == "status":
			var s Status
			if json.Unmarshal([]byte(value), &s) == nil {
				heard(s)
			}
		}
	}
}
