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
