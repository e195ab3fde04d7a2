package gateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/policy"
	"captchagate/simulator"
)

// Reports go to the webhook signed, under one key until they are acknowledged,
// across a restart, and are gone then.
func TestReverify_TellsTheWebhook(t *testing.T) {
	inTown(t, withWebhook, func(w *town) {
		w.breaksWebhook(true)
		w.outage(simulator.HTTP502)
		want := map[string]string{
			w.passes(w.user("comment", simulator.TicketValid)).ID:  "confirmed",
			w.passes(w.user("comment", simulator.TicketForged)).ID: "refuted",
		}
		incident := w.incidents()[0].ID
		w.sim.ClearFault()
		w.awaits("closed", time.Minute)
		time.Sleep(30 * time.Second)
		w.restarts(time.Second)
		time.Sleep(30 * time.Second)
		if got := w.reverified().results(); !maps.Equal(got, want) {
			t.Errorf("not acknowledged, and shows %v, want %v", got, want)
		}
		refused := len(w.posted())
		w.breaksWebhook(false)
		time.Sleep(6 * time.Minute)
		posts := w.posted()
		if refused < 3 || len(posts) != refused+1 {
			t.Fatalf("%d deliveries refused, %d in all; want several, and one more", refused, len(posts))
		}
		for _, p := range posts {
			if p.body != posts[0].body || p.header.Get("Idempotency-Key") != posts[0].header.Get("Idempotency-Key") || p.header.Get("Idempotency-Key") == "" {
				t.Errorf("a repetition differs: %s %s", p.header, p.body)
			}
			p.verify(t)
		}
		var told reports
		if err := json.Unmarshal([]byte(posts[0].body), &told); err != nil || told.IncidentID == nil || *told.IncidentID != incident || !maps.Equal(told.results(), want) {
			t.Errorf("told %s (%v), want %v of %s", posts[0].body, err, want, incident)
		}
		if got := w.reverified(); len(got.Reports) != 0 {
			t.Errorf("acknowledged, and still shown: %+v", got)
		}
		if log := w.log.String(); strings.Contains(log, "t0ken") || strings.Contains(log, webhookSecret) {
			t.Error("the log holds a secret of the webhook")
		}
	})
}

// A webhook that fails now and then for long is told as a state, with how often it
// changed, and not by turns.
func TestReverify_TellsThatTheWebhookIsUnreliableAndNotEachFlap(t *testing.T) {
	lasting := func(c *config.Config) {
		withWebhook(c)
		c.Scenes["comment"] = policy.Scene{Degraded: policy.Allow, Budget: policy.Budget{Total: policy.Rate{N: 1000, Per: time.Second}, For: 3 * time.Hour}}
	}
	inTown(t, lasting, func(w *town) {
		w.throws(`{"mode":"degraded","reason":"test"}`)
		for i := range 40 { // minutes; a ticket that nobody asks about is reported once it is dead
			w.breaksWebhook(i%2 == 0)
			w.passes(w.user("comment", simulator.TicketValid))
			time.Sleep(time.Minute)
		}
		w.breaksWebhook(false)
		time.Sleep(30 * time.Minute)
		var told []string
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, "about=webhook") {
				told = append(told, line)
			}
		}
		if n := len(told); n < 3 || n > 4 || !strings.Contains(told[n-1], "acknowledges reports again") || !strings.Contains(told[n-1], "times=") {
			t.Errorf("%d lines in 40 minutes: %s", n, told)
		}
	})
}

// verify checks the signature as the business does.
func (p delivery) verify(t *testing.T) {
	t.Helper()
	at, mac, ok := strings.Cut(strings.TrimPrefix(p.header.Get("X-Gateway-Signature"), "t="), ",v1=")
	h := hmac.New(sha256.New, []byte(webhookSecret))
	h.Write([]byte(at + "." + p.header.Get("Idempotency-Key") + "." + p.body))
	if seconds, err := strconv.ParseInt(at, 10, 64); !ok || err != nil || mac != hex.EncodeToString(h.Sum(nil)) || seconds != p.at.Unix() {
		t.Errorf("signature %q at %d", p.header.Get("X-Gateway-Signature"), p.at.Unix())
	}
	if p.header.Get("Content-Type") != "application/json" {
		t.Errorf("content type %q", p.header.Get("Content-Type"))
	}
}
