package upstream_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
)

// What stands in front of the API says "too many" in its own way. It is no
// fault, and it is heard for how long to stay away, within bounds.
func TestVerify_TooManyRequestsThrottle(t *testing.T) {
	throttled := want{captcha.Throttled, false, true}
	rows := []struct {
		name   string
		status int
		after  string
		want   want
		wait   time.Duration
	}{
		{"429", 429, "", throttled, 0},
		{"429 with seconds", 429, "2", throttled, 2 * time.Second},
		{"429 with a date", 429, "Sat, 01 Jan 2000 00:00:03 GMT", throttled, 3 * time.Second},
		{"429 for an hour", 429, "3600", throttled, 5 * time.Second},
		{"429 for centuries", 429, "9223372036854775807", throttled, 5 * time.Second},
		{"429 until long ago", 429, "Fri, 31 Dec 1999 00:00:00 GMT", throttled, 0},
		{"429 for less than nothing", 429, "-5", throttled, 0},
		{"429 with words", 429, "soon", throttled, 0},
		{"503", 503, "", fault, 0},
		{"503 with words", 503, "soon", fault, 0},
		{"503 with seconds", 503, "1", throttled, time.Second},
		{"502 with seconds", 502, "1", fault, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, wire(func(r *http.Request) (*http.Response, error) {
					_, _ = io.Copy(io.Discard, r.Body)
					resp := response(row.status, "slow down")
					if row.after != "" {
						resp.Header.Set("Retry-After", row.after)
					}
					return resp, nil
				}))
				_, err := c.Verify(t.Context(), webTicket())
				if f := row.want.check(t, err); f.RetryAfter != row.wait {
					t.Errorf("to wait %v, want %v", f.RetryAfter, row.wait)
				}
			})
		})
	}
}
