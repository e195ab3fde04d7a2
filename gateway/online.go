package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/config"
	"captchagate/fleet"
	"captchagate/store"
	"captchagate/store/redis"
	"captchagate/upstream"
	"captchagate/watch"
)

const (
	onlineTimeout = 5 * time.Second // of one question
	// maxClockError is what the Cloud API allows between its clock and ours.
	maxClockError = 5 * time.Minute
	probeCode     = 1001 // of the disaster tickets that are asked about
)

// A Finding is what one question of CheckOnline met.
type Finding struct {
	About string // "captcha_app_id 190000001", "script"
	Text  string // what came, and what to do if it failed
	OK    bool
}

// CheckOnline asks the Captcha API once for each app, with a disaster ticket,
// which is not billed and never valid, fetches the page's script, and looks at the host of
// the alarms and at the Redis of a fleet. transport carries the calls over HTTP; nil is one of its own.
//
// It shows that the API is reached, the clock is right and the account accepted.
// Whether an app's key is right shows only if the API looks at it before it looks
// at such a ticket.
func CheckOnline(ctx context.Context, cfg config.Config, transport http.RoundTripper) ([]Finding, error) {
	if transport == nil {
		own := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
		defer own.CloseIdleConnections()
		transport = own
	}
	clock := &clockReader{next: transport}
	client, err := upstream.New(cfg.Upstream.Config, cfg.Upstream.MaxInFlight, clock, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var found []Finding
	for _, app := range cfg.Upstream.Apps {
		found = append(found, askApp(ctx, client, clock, app.CaptchaAppID))
	}
	found = append(found, fetchScript(ctx, cfg.ScriptProbe, transport))
	if cfg.Alarms.Webhook != "" {
		found = append(found, lookAtAlarms(ctx, cfg.Alarms.Webhook, transport))
	}
	if len(cfg.Store.Redis) > 0 {
		found = append(found, lookAtRedis(ctx, cfg.Store))
	}
	return found, nil
}

func askApp(ctx context.Context, client *upstream.Client, clock *clockReader, id uint64) Finding {
	ctx, cancel := context.WithTimeout(ctx, onlineTimeout)
	defer cancel()
	began := time.Now()
	v, err := client.Verify(ctx, captcha.Ticket{
		Value: captcha.NewDisasterTicket(probeCode, id, began), Randstr: "check", AppID: id, UserIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}),
	})
	took := time.Since(began).Round(time.Millisecond)
	f := Finding{About: fmt.Sprintf("captcha_app_id %d", id)}
	if err != nil {
		f.Text = unanswered(captcha.AsFailure(err), clock, took)
		return f
	}
	var meaning string
	f.OK, meaning = judgeCode(v.Answer)
	f.Text = fmt.Sprintf("reached in %v, %s, account accepted, %s", took, clock, meaning)
	return f
}

// judgeCode says what the answer about a disaster ticket of the standard form
// means.
func judgeCode(a *captcha.Answer) (ok bool, meaning string) {
	if a == nil {
		return false, "but the call was refused as invalid; look at captcha_app_id and app_secret_key"
	}
	switch code := "code " + strconv.FormatInt(a.Code, 10); a.Code {
	case captcha.CodeOtherApp:
		return false, code + ": the API does not know this app id; compare captcha_app_id with the console"
	case captcha.CodeNoMatch, captcha.CodeForged:
		return false, code + ": app id and key do not belong together; compare captcha_app_id and app_secret_key with the console"
	default:
		return true, code + ", as is right for a disaster ticket"
	}
}

// unanswered says why nobody could tell.
func unanswered(f *captcha.Failure, clock *clockReader, took time.Duration) string {
	switch {
	case f.Answer != nil:
		return fmt.Sprintf("reached in %v, %s, but %v", took, clock, f.Err)
	case f.Code == "":
		return fmt.Sprintf("not reached: %v; look at upstream.endpoint and at the way out of this machine", f.Err)
	case f.Kind == captcha.Misconfigured:
		return fmt.Sprintf("reached in %v, %s, account NOT accepted: %v; look at secret_id, secret_key, arrears and the IP whitelist", took, clock, f.Err)
	}
	return fmt.Sprintf("reached in %v, %s, but %v; try again", took, clock, f.Err)
}

// lookAtRedis reads what a fleet's Redis says of itself and of the fleet. It writes
// nothing there.
func lookAtRedis(ctx context.Context, cfg store.Config) Finding {
	f := Finding{About: "store.redis"}
	at, err := cfg.Redis.Parse()
	if err != nil {
		f.Text = err.Error()
		return f
	}
	board := redis.New(at, cfg.Prefix, fleet.Secret(cfg.Secret).Tag(), cfg.Patience, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	defer func() { _ = board.Close() }() // it was only read
	ctx, cancel := context.WithTimeout(ctx, onlineTimeout)
	defer cancel()
	began := time.Now()
	version, odd, members, others, err := look(ctx, board)
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case err == nil && others > 0:
		f.Text = fmt.Sprintf("reached in %v, but %s", took, strangers(others))
	case err == nil && len(odd) == 0:
		f.OK, f.Text = true, fmt.Sprintf("reached in %v, version %s, instances of this fleet there: %d", took, version, len(members))
	case err == nil:
		f.Text = fmt.Sprintf("reached in %v, but %s", took, strings.Join(odd, "; "))
	case errors.Is(err, redis.ErrAway):
		f.Text = inOneLine(err) + "; look at store.redis, and at the way there from this machine"
	default:
		f.Text = inOneLine(err) + "; look at the user, the password and the rights that docs/fleet.md lists"
	}
	return f
}

// lookAtAlarms asks the host of a webhook for its root, without the webhook's own path,
// which may be a key: whatever it answers, it is there.
func lookAtAlarms(ctx context.Context, webhook string, transport http.RoundTripper) Finding {
	f := Finding{About: "alarms.webhook"}
	ctx, cancel := context.WithTimeout(ctx, onlineTimeout)
	defer cancel()
	began := time.Now()
	at, err := url.Parse(webhook)
	if err == nil {
		root := url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/"}
		var ask *http.Request
		if ask, err = http.NewRequestWithContext(ctx, http.MethodHead, root.String(), nil); err == nil {
			var came *http.Response
			if came, err = transport.RoundTrip(ask); err == nil {
				_ = came.Body.Close() // of a HEAD it is empty
			}
		}
	}
	if err != nil {
		f.Text = "its host is not reached: " + captcha.Foreign(err.Error()) + "; look at alarms.webhook and at the way out of this machine"
		return f
	}
	f.OK, f.Text = true, fmt.Sprintf("its host is reached in %v; gateway alarms test sends a test", time.Since(began).Round(time.Millisecond))
	return f
}

// look asks a Redis up to ten times: a moment is all that the board waits for.
func look(ctx context.Context, board *redis.Board) (version string, odd []string, members []fleet.Seen, others int, err error) {
	for range 10 {
		if version, odd, err = board.Look(ctx); err == nil {
			members, err = board.Members(ctx)
		}
		if err == nil {
			others, err = board.OtherFleets(ctx)
		}
		if !errors.Is(err, redis.ErrAway) {
			break
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return version, odd, members, others, err
}

func inOneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ": ") }

func fetchScript(ctx context.Context, cfg watch.ScriptConfig, transport http.RoundTripper) Finding {
	f := Finding{About: "script", OK: true, Text: "not asked for: script_probe.url is empty"}
	if cfg.URL == "" {
		return f
	}
	began := time.Now()
	if err := watch.FetchScript(ctx, cfg, transport); err != nil {
		f.OK, f.Text = false, captcha.Foreign(err.Error())+"; look at script_probe.url and at the way out of this machine"
		return f
	}
	f.Text = fmt.Sprintf("loads in %v", time.Since(began).Round(time.Millisecond))
	return f
}

// A clockReader is a RoundTripper that compares the clocks of those that answer
// with ours.
type clockReader struct {
	next http.RoundTripper
	off  atomic.Pointer[time.Duration] // ours is later by; nil if no answer said the time
}

func (c *clockReader) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(r)
	if err != nil {
		return answer, err
	}
	if theirs, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		off := time.Since(theirs)
		c.off.Store(&off)
	}
	return answer, nil
}

// String says how this machine's clock stands. The header has whole seconds.
func (c *clockReader) String() string {
	off := c.off.Load()
	switch {
	case off == nil:
		return "its clock unknown"
	case off.Abs() < 3*time.Second:
		return "clock right"
	case off.Abs() < maxClockError:
		return fmt.Sprintf("clock off by %v (5m is too much)", off.Round(time.Second))
	}
	return fmt.Sprintf("this machine's clock WRONG by %v; set it", off.Round(time.Second))
}
