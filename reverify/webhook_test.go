package reverify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/reverify"
)

func TestWebhook_GetsTheContractsForm(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.api.codes["ticket-a"] = 15
		w.lets("a")
		decided := time.Now().UTC().Format(time.RFC3339Nano)
		pass(captcha.TicketLife - 10*time.Second)
		w.share.is(1)
		pass(10 * time.Second)
		got := w.hook.deliveries()
		if len(got) != 1 {
			t.Fatalf("%d deliveries, want 1", len(got))
		}
		d := got[0]
		var form map[string]any
		if err := json.Unmarshal([]byte(d.body), &form); err != nil {
			t.Fatal(err)
		}
		reports, _ := form["reports"].([]any)
		report, _ := reports[0].(map[string]any)
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(report["reverified_at"])); err != nil {
			t.Error(err)
		}
		delete(report, "reverified_at")
		want := map[string]any{"incident_id": "outage-1", "reports": []any{map[string]any{
			"decision_id": "decision-a", "result": "refuted", "scene": "comment", "reference": "order-a",
			"captcha_code": 15.0, "decided_at": decided,
		}}}
		if !reflect.DeepEqual(form, want) {
			t.Errorf("body %v\nwant %v", form, want)
		}
		if d.method != http.MethodPost || d.url != webhook.Webhook || d.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s of type %q", d.method, d.url, d.header.Get("Content-Type"))
		}
		wantSigned(t, d)
	})
}

// wantSigned checks the signature as a receiver would.
func wantSigned(t *testing.T, d delivery) {
	t.Helper()
	stamp, signature, ok := strings.Cut(strings.TrimPrefix(d.header.Get("X-Gateway-Signature"), "t="), ",v1=")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if !ok || err != nil || at != d.at.Unix() {
		t.Errorf("signature %q, sent at %d", d.header.Get("X-Gateway-Signature"), d.at.Unix())
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + d.header.Get("Idempotency-Key") + "." + d.body))
	if want := hex.EncodeToString(mac.Sum(nil)); signature != want {
		t.Errorf("signed %q, want %q", signature, want)
	}
}

func TestWebhook_GetsAtMost500ReportsOfOneIncidentAtOnce(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		for i := range 1201 {
			w.lets(strconv.Itoa(i), func(e *reverify.Entry) {
				switch {
				case i < 1001:
					e.Incident = "outage-2"
				case i%2 == 0:
					e.Incident = ""
				}
			})
		}
		got := w.reported(captcha.TicketLife + 30*time.Second)
		if len(got) != 1201 {
			t.Errorf("%d reports, want 1201", len(got))
		}
		sizes := map[string][]int{}
		for _, d := range w.hook.deliveries() {
			var body reverify.Reports
			if err := json.Unmarshal([]byte(d.body), &body); err != nil {
				t.Fatal(err)
			}
			incident := "null"
			if body.IncidentID != nil {
				incident = *body.IncidentID
			}
			sizes[incident] = append(sizes[incident], len(body.Reports))
		}
		want := map[string][]int{"outage-1": {100}, "outage-2": {500, 500, 1}, "null": {100}}
		if fmt.Sprint(sizes) != fmt.Sprint(want) {
			t.Errorf("batches %v, want %v", sizes, want)
		}
	})
}

func TestWebhook_SplitsABatchThatIsTooLongForTheStore(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		for i := range 500 { // each byte of the reference takes six in JSON
			w.lets(strconv.Itoa(i), func(e *reverify.Entry) { e.Reference = strings.Repeat("\x01", 256); e.Scene = strings.Repeat("<", 100) })
		}
		if got := len(w.reported(captcha.TicketLife + 30*time.Second)); got != 500 {
			t.Errorf("%d reports, want 500", got)
		}
		if got := len(w.hook.deliveries()); got != 2 {
			t.Errorf("%d batches, want 2", got)
		}
	})
}

func TestWebhook_IsToldWhenItComesBackAfterAnHour(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		err    error
	}{
		{"unreachable", 0, errors.New("connection refused")},
		{"500", 500, nil},
		{"400", 400, nil},
		{"a redirect", 307, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, webhook, func(w *world) {
				w.hook.header = http.Header{"Location": {"https://elsewhere.example/"}}
				w.hook.is(tt.status, tt.err)
				want := map[string]reverify.Result{}
				w.share.is(1)
				for i := range 5 {
					ticket := strconv.Itoa(i)
					w.lets(ticket)
					want[ticket] = reverify.Confirmed
					pass(10 * time.Second)
				}
				if got := w.reported(time.Hour); len(got) != 0 {
					t.Errorf("%d reports are acknowledged", len(got))
				}
				wantBackoff(t, w.hook.deliveries())
				if held := w.q.Held(); held != 5 {
					t.Errorf("%d reports are held, want 5", held)
				}
				w.hook.is(0, nil)
				wantResults(t, w.reported(6*time.Minute), want)
				n := len(w.hook.deliveries())
				pass(time.Hour)
				if again := len(w.hook.deliveries()); again != n {
					t.Errorf("%d deliveries after all were acknowledged", again-n)
				}
				for _, d := range w.hook.deliveries() {
					wantSigned(t, d)
					if d.url != webhook.Webhook {
						t.Errorf("a report went to %s", d.url)
					}
				}
			})
		})
	}
}

// wantBackoff wants pauses that grow from a second to five minutes.
func wantBackoff(t *testing.T, got []delivery) {
	t.Helper()
	if len(got) < 15 || len(got) > 30 {
		t.Errorf("%d deliveries in an hour", len(got))
	}
	for i := 1; i < len(got); i++ {
		if pause := got[i].at.Sub(got[i-1].at); pause < time.Second || pause > 5*time.Minute+time.Second {
			t.Errorf("pause %d is %v", i, pause)
		}
	}
	if last := got[len(got)-1].at.Sub(got[len(got)-2].at); last < 4*time.Minute {
		t.Errorf("after an hour the pause is %v", last)
	}
}

// C16: trouble of our own makes no pause longer, and is counted.
func TestWebhook_TroubleOfOurOwnIsNotTheWebhooks(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.hook.is(0, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)})
		w.share.is(1)
		w.lets("a")
		if got := w.reported(time.Hour); len(got) != 0 {
			t.Errorf("%d reports are acknowledged", len(got))
		}
		if tried, counted := len(w.hook.deliveries()), int(w.troubles.Load()); tried < 3500 || counted != tried {
			t.Errorf("tried %d times in an hour, counted %d", tried, counted)
		}
		w.hook.is(0, nil)
		wantResults(t, w.reported(2*time.Second), map[string]reverify.Result{"a": reverify.Confirmed})
	})
}

// What the webhook's host answers is repeated in the log, but not at length.
func TestWebhook_RepeatsLittleOfAnAnswer(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.hook.is(0, errors.New("malformed HTTP status code \"\x1b[2J"+strings.Repeat("x", 60<<10)))
		w.share.is(1)
		w.lets("a")
		pass(time.Minute)
		if got := w.logs.String(); !strings.Contains(got, "malformed HTTP status") || len(got) > 1000 || strings.Contains(got, `\x1b`) {
			t.Errorf("%d bytes are logged: %.400s", len(got), got)
		}
	})
}

func TestWebhook_OneRefusedBatchDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, kept: open(t), api: newAPI(), hook: &hook{}, share: &share{of: 1}, cfg: webhook}
		w.hook.picky = func(body string) bool { return strings.Contains(body, "decision-poison") }
		w.start()
		w.lets("poison")
		pass(10 * time.Second)
		w.lets("good")
		wantResults(t, w.reported(time.Minute), map[string]reverify.Result{"good": reverify.Confirmed})
		w.stop()
	})
}

func TestWebhook_KeepsNoConnectionOnceTheQueueHasEnded(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.lets("a")
		w.share.is(1)
		pass(10 * time.Second)
		w.stop()
		if !w.hook.idleClosed {
			t.Error("idle connections are left open")
		}
	})
}
