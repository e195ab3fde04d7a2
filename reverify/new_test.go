package reverify_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/reverify"
	"captchagate/store/bolt"
)

// Nothing of a user is in clear in the file, in the log or in errors, at any
// time; and once it is reported nothing but numbers is left.
func TestQueue_KeepsNothingOfAUserInClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "gateway.db")
		b, err := bolt.Open(path, quiet)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, kept: b, api: newAPI(), hook: &hook{}, share: &share{}, cfg: webhook}
		w.start()
		secrets := []string{"ticket-a", "@randstr", "192.0.2.7", "alice@shop.example", "order-a", "in-the-query", secret, string(key)}
		look := func(when string) {
			t.Helper()
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range secrets {
				if bytes.Contains(file, []byte(s)) {
					t.Errorf("%s: %q is in the store", when, s)
				}
				if strings.Contains(w.logs.String(), s) {
					t.Errorf("%s: %q is in the log", when, s)
				}
			}
		}
		w.api.codes["ticket-a"] = 15
		w.lets("a")
		look("waiting")
		w.api.fail(func(context.Context, captcha.Ticket) *captcha.Failure { return failure(captcha.Fault, true) })
		w.hook.is(0, errors.New("no route to host"))
		w.share.is(1)
		pass(5 * time.Second)
		w.api.fail(nil)
		pass(15 * time.Second)
		look("reported in vain")
		if len(w.hook.deliveries()) == 0 {
			t.Error("nothing was sent: the test looked at nothing")
		}
		if err := w.q.Add(w.t.Context(), entry("a", func(e *reverify.Entry) { e.DecisionID = strings.Repeat("x", 2000) })); err == nil || strings.Contains(err.Error(), "ticket-a") {
			t.Errorf("error %v", err)
		}
		w.stop()
		_ = b.Close()
	})
}

func TestNew_RefusesWhatItCannotWorkWith(t *testing.T) {
	kept := open(t)
	make := func(cfg reverify.Config, key []byte, reg *prometheus.Registry, s reverify.Store) error {
		_, err := reverify.New(t.Context(), newAPI(), s, &share{}, nil, cfg, [][]byte{key}, nil, nil, quiet, reg)
		return err
	}
	if err := make(webhook, key, prometheus.NewRegistry(), kept); err != nil {
		t.Errorf("all is well, and: %v", err)
	}
	if err := make(reverify.Config{Webhook: "https://shop.example"}, key, prometheus.NewRegistry(), kept); err == nil {
		t.Error("takes a webhook without a secret")
	}
	if err := make(webhook, key[:16], prometheus.NewRegistry(), kept); err == nil {
		t.Error("takes a short key")
	}
	closed := open(t)
	_ = closed.Close()
	if err := make(webhook, key, prometheus.NewRegistry(), closed); err == nil {
		t.Error("takes a store that cannot be read")
	}
}

func TestNew_PanicsOnARegistryThatHasTheMetricAlready(t *testing.T) {
	reg := prometheus.NewRegistry()
	make := func() {
		if _, err := reverify.New(t.Context(), newAPI(), open(t), &share{}, nil, webhook, [][]byte{key}, nil, nil, quiet, reg); err != nil {
			t.Error(err)
		}
	}
	make()
	defer func() {
		if recover() == nil {
			t.Error("takes a registry that has the metric already")
		}
	}()
	make()
}

func TestNew_SaysThatTheKeyWasLost(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.lets("a")
		w.stop()
		key[0] ^= 1
		defer func() { key[0] ^= 1 }()
		w.start()
		if !strings.Contains(w.logs.String(), "sealing key lost") || w.q.Held() != 0 {
			t.Errorf("holds %d, says %q", w.q.Held(), w.logs.String())
		}
	})
}

func TestConfig_ListsEveryMistakeAndNoAddress(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  reverify.Config
		want []string
	}{
		{"nothing", reverify.Config{}, nil},
		{"a secret alone", reverify.Config{Secret: "s"}, nil},
		{"all", webhook, nil},
		{"no secret", reverify.Config{Webhook: "http://shop.example/x"}, []string{"secret: is empty"}},
		{"no scheme", reverify.Config{Webhook: "shop.example/token"}, []string{"webhook: must be", "secret: is empty"}},
		{"no host", reverify.Config{Webhook: "https://:443/token", Secret: "s"}, []string{"webhook: must be"}},
		{"not an address", reverify.Config{Webhook: "https://token\x7f", Secret: "s"}, []string{"webhook: must be"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.Validate()
			lines := []string{}
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(tt.want) {
				t.Fatalf("mistakes %q, want %q", lines, tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) || strings.Contains(lines[i], "token") {
					t.Errorf("mistake %q, want %q", lines[i], want)
				}
			}
		})
	}
}

// What an earlier key sealed or named is still known, and what is new is the first one's.
func TestNew_GoesOnWithWhatAnEarlierKeySealed(t *testing.T) {
	inWorld(t, webhook, func(w *world) {
		w.api.codes["ticket-bad"] = captcha.CodeForged
		w.share.is(1)
		w.lets("bad")
		w.reported(10 * time.Second)
		w.share.is(0)
		w.lets("good")
		w.stop()

		later := []byte("another key of thirty-two bytes..")
		w.keys = [][]byte{later, key}
		w.start()
		if home := netip.MustParseAddr("192.0.2.7"); !w.q.Refuted(home, "") || !w.q.Refuted(netip.Addr{}, "alice@shop.example") {
			t.Error("who was refuted under the earlier key is not any more")
		}
		w.share.is(1)
		if got := w.reported(10 * time.Second); got["decision-good"].Result != reverify.Confirmed {
			t.Errorf("reported: %v", got)
		}
		w.share.is(0)
		w.lets("new")
		w.stop()
		w.keys = [][]byte{later}
		w.share.is(1)
		w.start()
		if got := w.reported(10 * time.Second); got["decision-new"].Result != reverify.Confirmed {
			t.Errorf("what the first key sealed does not open with it: %v", got)
		}
	})
}
