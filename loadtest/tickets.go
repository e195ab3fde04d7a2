package loadtest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"captchagate/loadtest/scenario"
	"captchagate/simulator"
)

// ForeignApp is the app of the site whose tickets users "foreign" bring. The
// simulator that is started here knows it and the gateway does not. Another one may
// know its own app only: there they bring forged ones, to which the right answer is
// the same.
const ForeignApp uint64 = 190000002

// maxTicketsPerOrder is how many the simulator issues in one order.
const maxTicketsPerOrder = 100_000

// issue gives every request its ticket.
func (t *subject) issue(ctx context.Context) error {
	requests := t.requests
	wanted := map[string][]int{} // by the order's kind
	for i := range requests {
		if requests[i].user == scenario.Disaster {
			requests[i].ticket = disasterTicket(i, time.Now())
			continue
		}
		kind := ticketKind(requests[i].user)
		if kind == scenario.Foreign && !t.isOurs() {
			kind = scenario.Forged
		}
		wanted[kind] = append(wanted[kind], i)
	}
	for kind, of := range wanted {
		for len(of) > 0 {
			n := min(len(of), maxTicketsPerOrder)
			if err := t.give(ctx, kind, of[:n]); err != nil {
				return err
			}
			of = of[n:]
		}
	}
	return nil
}

// give orders tickets of a kind for some of the requests, of the API that is asked
// directly too.
func (t *subject) give(ctx context.Context, kind string, requests []int) error {
	tickets, err := order(ctx, t.sim, kind, len(requests))
	if err != nil {
		return err
	}
	for i, one := range tickets {
		t.requests[requests[i]].ticket = one
	}
	if t.direct == nil {
		return nil
	}
	if tickets, err = order(ctx, t.direct.sim, kind, len(requests)); err != nil {
		return err
	}
	for i, one := range tickets {
		t.requests[requests[i]].twin = one
	}
	return nil
}

// ticketKind is what the simulator calls the tickets of a kind of user. Who
// replays takes one that was seen verified, and this one if none was yet.
func ticketKind(user string) string {
	switch user {
	case scenario.Forged, scenario.Expired, scenario.Evil, scenario.Foreign:
		return user
	case scenario.Replayed:
		return simulator.TicketUsed
	}
	return simulator.TicketValid
}

func order(ctx context.Context, sim *control, kind string, n int) ([]ticket, error) {
	wish := map[string]any{"kind": kind, "count": n}
	if kind == scenario.Foreign {
		wish["kind"], wish["captcha_app_id"] = simulator.TicketValid, ForeignApp
	}
	var tickets []ticket
	if err := sim.ask(ctx, http.MethodPost, "/_sim/tickets", wish, &tickets); err != nil {
		return nil, err
	}
	if len(tickets) != n {
		return nil, fmt.Errorf("the simulator at %s issued %d tickets and not %d", sim.address, len(tickets), n)
	}
	return tickets, nil
}

// disasterTicket makes one of the forms that are met in the field. The randstr
// tells apart what one address sends in one second.
func disasterTicket(n int, now time.Time) ticket {
	app, at := strconv.FormatUint(simulator.DefaultAppID, 10), strconv.FormatInt(now.Unix(), 10)
	forms := []string{
		"trerror_1001_" + app + "_" + at,
		"trerror_1004_" + app + "_" + at + "_extra",
		"terror_1001_" + app + "_" + at,
		"trerror_1001_" + app + at,
		"trerror_1001_undefined_" + at,
		"trerror_1001_" + app,
	}
	return ticket{Ticket: forms[n%len(forms)], Randstr: "@" + strconv.FormatInt(int64(n), 36)}
}
