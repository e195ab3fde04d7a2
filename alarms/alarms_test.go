package alarms_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"captchagate/alarms"
)

// One of each kind goes out at once, in the contract's form and signed.
func TestAlarms_TellEachKindOnce(t *testing.T) {
	inPost(t, signed, func(p *post) {
		at := time.Now().UTC().Format(time.RFC3339)
		for _, k := range alarms.Kinds() {
			p.Raise(k, "", "it happened: "+string(k), map[string]int{"n": 7})
		}
		pass(3 * time.Hour)
		got := p.hook.deliveries()
		if len(got) != 12 {
			t.Fatalf("%d deliveries, want 12", len(got))
		}
		for i, k := range alarms.Kinds() {
			want := fmt.Sprintf(`{"kind":%q,"at":%q,"summary":"it happened: %s","detail":{"n":7},"instance":"web1","url":"https://gateway.example/"}`, k, at, k)
			if got[i].body != want || got[i].url != signed.Webhook {
				t.Errorf("to %s\n%s\nwant\n%s", got[i].url, got[i].body, want)
			}
			wantSigned(t, got[i])
			if p.counts()[string(k)+" sent"] != 1 {
				t.Errorf("%s: counts %v", k, p.counts())
			}
		}
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

// Each kind, at a receiver that takes nothing for half an hour: it is repeated less and less
// often, under one key, over a restart, and taken once (O6).
func TestAlarms_RepeatUntilTaken(t *testing.T) {
	for name, breaks := range troubles {
		t.Run(name, func(t *testing.T) {
			cfg := signed
			if name == "an error in its answer" {
				cfg.Format = alarms.WeCom
			}
			inPost(t, cfg, func(p *post) {
				breaks(p.hook)
				for _, k := range alarms.Kinds() {
					p.Raise(k, "", "it happened: "+string(k), nil)
				}
				pass(15 * time.Minute)
				p.stop()
				p.start()
				pass(15 * time.Minute)
				tried := p.hook.deliveries()
				if taken := p.hook.taken(); len(taken) != 0 || len(tried) < 12*15 || len(tried) > 12*60 {
					t.Errorf("%d taken of %d tries", len(taken), len(tried))
				}
				p.hook.fine()
				pass(2 * time.Minute)
				keys := map[string]bool{}
				for _, d := range tried {
					keys[d.header.Get("Idempotency-Key")] = true
				}
				for _, d := range p.hook.deliveries()[len(tried):] {
					if !keys[d.header.Get("Idempotency-Key")] {
						t.Errorf("a repetition has a key of its own: %s", d.body)
					}
				}
				n := len(p.hook.deliveries())
				if taken := p.hook.taken(); len(taken) != 12 {
					t.Errorf("%d taken, want 12", len(taken))
				}
				pass(2 * time.Hour)
				if again := len(p.hook.deliveries()) - n; again != 0 {
					t.Errorf("%d tries after all were taken", again)
				}
			})
		})
	}
}

// Nobody is told of what is more than an hour ago; that it reached nobody is in the log.
func TestAlarms_GiveUpAfterAnHour(t *testing.T) {
	inPost(t, signed, func(p *post) {
		p.hook.is(500, "", nil, 0)
		p.Raise(alarms.Opened, "", "it happened", nil)
		pass(time.Hour + time.Minute)
		n := len(p.hook.deliveries())
		p.hook.fine()
		pass(2 * time.Hour)
		if more := len(p.hook.deliveries()) - n; more != 0 || n < 50 {
			t.Errorf("%d tries within the hour, %d after it", n, more)
		}
		wantCounts(t, p, fmt.Sprintf("map[opened lost:1 opened repeated:%d]", n))
		if !strings.Contains(p.logs.String(), "reached nobody within an hour") {
			t.Error("the log says nothing of it")
		}
		p.stop()
		p.start()
		pass(time.Minute)
		if more := len(p.hook.deliveries()) - n; more != 0 {
			t.Errorf("%d tries after a restart", more)
		}
	})
}

// What happens within a minute of an alarm of its kind is counted in the next one, which
// tells the newest; other kinds do not wait. A restart changes nothing of that.
func TestAlarms_TellAKindOnceAMinute(t *testing.T) {
	inPost(t, signed, func(p *post) {
		for i := range 5 {
			p.Raise(alarms.Switched, "", fmt.Sprint("switch ", i), nil)
			pass(10 * time.Second)
		}
		p.Raise(alarms.Opened, "", "opened", nil)
		p.stop()
		p.start()
		pass(5 * time.Second)
		if got := summaries(t, p); fmt.Sprint(got) != "[switch 0 opened]" {
			t.Errorf("within a minute %q", got)
		}
		pass(10 * time.Minute)
		if got := summaries(t, p); len(got) != 3 || got[2] != "switch 4, and 3 more since 00:00:10 UTC" {
			t.Errorf("then %q", got)
		}
		d := p.hook.deliveries()
		if apart := d[2].at.Sub(d[0].at); apart < time.Minute || apart > 62*time.Second {
			t.Errorf("%v apart", apart)
		}
	})
}

// Scenes are told of apart, and still once a minute.
func TestAlarms_CountWhatIsAboutOthersToo(t *testing.T) {
	inPost(t, signed, func(p *post) {
		for _, scene := range []string{"login", "comment", "payment"} {
			p.Raise(alarms.BudgetSpent, scene, "spent: "+scene, nil)
			pass(time.Second)
		}
		pass(2 * time.Minute)
		if got := summaries(t, p); fmt.Sprint(got) != "[spent: login spent: payment, and 1 more since 00:00:01 UTC]" {
			t.Errorf("told %q", got)
		}
		wantCounts(t, p, "map[budget_spent counted:1 budget_spent sent:2]")
	})
}

func summaries(t *testing.T, p *post) (all []string) {
	t.Helper()
	for _, text := range p.hook.taken() {
		var b struct{ Summary string }
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		all = append(all, b.Summary)
	}
	return all
}

// A receiver that hangs holds up nobody who raises an alarm, and however many are raised,
// little waits.
func TestAlarms_RaiseNeverWaitsAndIsBounded(t *testing.T) {
	inPost(t, signed, func(p *post) {
		p.hook.is(200, "", nil, time.Hour)
		began := time.Now()
		for i := range 1000 {
			p.Raise(alarms.BudgetSpent, strconv.Itoa(i), strings.Repeat("x", 10_000), strings.Repeat("y", 20_000))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		pass(time.Second)
		p.hook.fine()
		pass(2 * time.Minute)
		for _, text := range p.hook.taken() {
			if len(text) > 2000 {
				t.Errorf("%d bytes are sent", len(text))
			}
		}
		if lost := p.counts()["budget_spent lost"]; lost < 400 {
			t.Errorf("%v are lost", lost)
		}
	})
}

// Neither the secret nor the address shows anywhere but at the receiver.
func TestAlarms_ShowNoSecret(t *testing.T) {
	for name, breaks := range troubles {
		inPost(t, signed, func(p *post) {
			breaks(p.hook)
			p.Raise(alarms.Opened, "", "it happened", nil)
			err := p.Test(p.t.Context(), "ops")
			if err == nil && name != "an error in its answer" {
				t.Errorf("%s: a test succeeds", name)
			}
			pass(2 * time.Hour)
			for _, hidden := range []string{secret, "in-the-query", "ops.example"} {
				if strings.Contains(p.logs.String(), hidden) || err != nil && strings.Contains(err.Error(), hidden) {
					t.Errorf("%s: %q shows: %v %s", name, hidden, err, &p.logs)
				}
			}
		})
	}
}

// Without a webhook nothing happens, and the series stand at 0.
func TestAlarms_AreOff(t *testing.T) {
	inPost(t, alarms.Config{Format: alarms.JSON}, func(p *post) {
		p.Raise(alarms.Opened, "", "it happened", nil)
		pass(time.Hour)
		if p.On() || len(p.hook.deliveries()) != 0 {
			t.Error("somebody was told")
		}
		wantCounts(t, p, "map[]")
		families, _ := p.reg.Gather()
		if n := len(families[0].GetMetric()); n != 12*5 {
			t.Errorf("%d series at the start, want 60", n)
		}
	})
}
