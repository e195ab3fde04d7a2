package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/captcha"
	"captchagate/fleet"
	"captchagate/gateway"
	"captchagate/reverify"
	"captchagate/store/bolt"
)

// A colony is queues for re-verification of one fleet, before one API and one webhook, in
// virtual time.
type colony struct {
	*testing.T

	board  *fleet.Memory
	seen   gateway.QueueBoard // board, or what stands before it
	most   int                // records of an instance there
	text   bytes.Buffer
	log    *slog.Logger // into text
	folder string
	own    map[string][]byte // keys of instances before they were of this fleet, by name

	mu     sync.Mutex
	asked  map[string]int      // how often, by ticket
	away   bool                // the webhook
	tried  map[string]bool     // keys of batches that it refused
	told   map[string][]string // decisions by the key that it took
	result map[string]reverify.Result
	share  float64
}

type queen struct {
	q    *reverify.Queue
	dies func()
}

func inColony(t *testing.T, story func(c *colony)) {
	t.Helper()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		board := fleet.NewMemory()
		c := &colony{T: t, board: board, seen: board, folder: folder, asked: map[string]int{}, tried: map[string]bool{}, told: map[string][]string{}, result: map[string]reverify.Result{}}
		c.log = slog.New(slog.NewTextHandler(&c.text, nil))
		story(c)
	})
}

// opens starts the queue of a name over its file.
func (c *colony) opens(name string) queen {
	c.Helper()
	log := c.log
	file, err := bolt.Open(filepath.Join(c.folder, name+".db"), log)
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.Context())
	kept, serve, run, err := gateway.OpenKeeper(ctx, file, c.seen, c.most, log)
	if err != nil {
		c.Fatal(err)
	}
	keys := [][]byte{[]byte("the key of a fleet, of 32 bytes.")}
	if own := c.own[name]; own != nil {
		keys = append(keys, own)
	}
	hook := reverify.Config{Webhook: "https://shop.example/reports", Secret: "secret"}
	q, err := reverify.New(ctx, c, kept, c, nil, hook, keys, c, nil, log, prometheus.NewRegistry())
	if err != nil {
		c.Fatal(err)
	}
	serve(q)
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	running.Go(func() { q.Run(ctx) })
	return queen{q, sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = file.Close()
	})}
}

// Verify is the Captcha API, by the first letter of a ticket; it takes each once.
func (c *colony) Verify(_ context.Context, t captcha.Ticket) (captcha.Verdict, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[t.Value]++
	answers := map[byte]captcha.Verdict{
		'g': {Outcome: captcha.Passed, Answer: &captcha.Answer{Code: captcha.CodeOK}},
		'f': {Outcome: captcha.Rejected, Answer: &captcha.Answer{Code: captcha.CodeForged}},
		'u': {Outcome: captcha.Rejected, Answer: &captcha.Answer{Code: captcha.CodeReused}},
	}
	return answers[t.Value[0]], nil
}

// Share is how much the API can bear.
func (c *colony) Share() float64 { c.mu.Lock(); defer c.mu.Unlock(); return c.share }

func (c *colony) is(share float64, away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.share, c.away = share, away
}

// RoundTrip is the webhook.
func (c *colony) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if c.away {
		c.tried[key] = true
		return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody, Request: r}, nil
	}
	var body reverify.Reports
	text, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(text, &body); err != nil {
		c.Errorf("%v: %s", err, text)
	}
	for _, report := range body.Reports {
		c.told[key] = append(c.told[key], report.DecisionID)
		c.result[report.DecisionID] = report.Result
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// lets lets somebody in with a ticket.
func (c *colony) lets(at queen, ticket string) {
	c.Helper()
	err := at.q.Add(c.Context(), reverify.Entry{
		DecisionID: "decision-" + ticket, Scene: "comment", Incident: "outage", DecidedAt: time.Now(),
		Ticket: captcha.Ticket{Value: ticket, Randstr: "@r", AppID: 1, UserIP: netip.MustParseAddr("192.0.2.7")},
	})
	if err != nil {
		c.Fatal(err)
	}
}

// reported checks that so many decisions were reported, each once.
func (c *colony) reported(want int) {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	times, n := map[string]int{}, 0
	for _, ids := range c.told {
		for _, id := range ids {
			times[id]++
			n++
		}
	}
	if n != want || len(times) != want {
		c.Errorf("%d reports of %d decisions, want %d of each: %v", n, len(times), want, c.told)
	}
	for ticket, n := range c.asked {
		if n != 1 {
			c.Errorf("ticket %s was asked about %d times", ticket, n)
		}
	}
}

// What an instance had to ask again and dies goes on at exactly one of the others, and is
// reported once. What it may have asked already proves nothing against a user. Once it is
// back it knows that this is done (S6, S9).
func TestKeeper_AnInstanceThatDiesLeavesItsQueue(t *testing.T) {
	inColony(t, func(c *colony) {
		a, b, d := c.opens("a"), c.opens("b"), c.opens("d")
		defer b.dies()
		defer d.dies()
		time.Sleep(20 * time.Second)
		for i := range 10 {
			for _, kind := range []string{"good", "forged", "used"} {
				c.lets(a, fmt.Sprint(kind, i))
			}
		}
		c.lets(b, "good of another")
		time.Sleep(time.Second)
		a.dies()
		time.Sleep(5 * time.Second)
		if n := b.q.Counts("outage").Waiting + d.q.Counts("outage").Waiting; n != 1 {
			t.Errorf("%d wait at the others before it is known that one is dead", n)
		}
		time.Sleep(10 * time.Second)
		if n := b.q.Counts("outage").Waiting + d.q.Counts("outage").Waiting; n != 31 {
			t.Errorf("%d wait at the others, want 31", n)
		}
		c.is(1, false)
		time.Sleep(20 * time.Second)
		c.reported(31)
		for id, result := range c.result {
			want := reverify.Unverifiable
			switch {
			case strings.Contains(id, "good"):
				want = reverify.Confirmed
			case strings.Contains(id, "forged"):
				want = reverify.Refuted
			}
			if result != want {
				t.Errorf("%s is %s, want %s", id, result, want)
			}
		}
		a = c.opens("a")
		defer a.dies()
		time.Sleep(20 * time.Second)
		c.reported(31)
		if n := a.q.Counts("outage").Waiting; n != 0 {
			t.Logf("it still counts %d", n) // as its own file told; nothing of them is reported
		}
	})
}

// What an instance that becomes one of a fleet had to ask again before, the others can go
// on with: on the board it is sealed as the fleet's (S6).
func TestKeeper_WhatWasOneInstancesIsTheFleets(t *testing.T) {
	inColony(t, func(c *colony) {
		own := []byte("the key of a single one's store.")
		file, err := bolt.Open(filepath.Join(c.folder, "a.db"), c.log)
		if err != nil {
			t.Fatal(err)
		}
		q, err := reverify.New(t.Context(), c, file, c, nil, reverify.Config{}, [][]byte{own}, c, nil, c.log, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		c.lets(queen{q: q}, "good1")
		c.lets(queen{q: q}, "forged1")
		_ = file.Close()

		c.own = map[string][]byte{"a": own}
		a, b := c.opens("a"), c.opens("b")
		defer b.dies()
		time.Sleep(20 * time.Second)
		a.dies()
		time.Sleep(15 * time.Second)
		c.is(1, false)
		time.Sleep(20 * time.Second)
		c.reported(2)
	})
}

// What became of those whom an instance let in is counted once, wherever it is reported and
// after a restart too.
func TestKeeper_CountsWhatIsAdoptedOnce(t *testing.T) {
	inColony(t, func(c *colony) {
		a, b := c.opens("a"), c.opens("b")
		c.is(1, true) // no report is acknowledged
		time.Sleep(20 * time.Second)
		c.lets(a, "good1")
		c.lets(a, "forged1")
		time.Sleep(10 * time.Second) // are in a batch
		c.lets(a, "good2")
		time.Sleep(time.Second) // is found, and waits for a batch
		c.is(0, true)
		c.lets(a, "forged2") // is not asked about
		time.Sleep(time.Second)
		a.dies()
		found := a.q.Counts("outage")
		time.Sleep(15 * time.Second)
		c.is(1, true)
		time.Sleep(15 * time.Second)
		want := reverify.Tally{Confirmed: 2, Refuted: 2}
		for range 2 {
			here := b.q.Counts("outage")
			if sum := (reverify.Tally{Confirmed: found.Confirmed + here.Confirmed, Refuted: found.Refuted + here.Refuted, Waiting: here.Waiting}); sum != want {
				t.Errorf("%+v counted by the one that died and %+v by the one that goes on, want %+v", found, here, want)
			}
			b.dies()
			b = c.opens("b")
			time.Sleep(time.Second)
		}
		c.is(1, false)
		time.Sleep(10 * time.Minute)
		b.dies()
		c.reported(4)
	})
}

// Reports that the webhook has not acknowledged go out under the key that they had.
func TestKeeper_ReportsKeepTheirKey(t *testing.T) {
	inColony(t, func(c *colony) {
		a, b := c.opens("a"), c.opens("b")
		defer b.dies()
		c.is(1, true)
		time.Sleep(20 * time.Second)
		for i := range 5 {
			c.lets(a, fmt.Sprint("good", i))
		}
		time.Sleep(15 * time.Second)
		a.dies()
		c.is(1, false)
		time.Sleep(30 * time.Second)
		c.reported(5)
		for key := range c.told {
			if !c.tried[key] {
				t.Errorf("key %s is new", key)
			}
		}
	})
}

// An instance that was cut off, or restarts at once, keeps its queue: nobody is silent
// only because the board was away.
func TestKeeper_NobodyIsAdoptedAfterTheBoardWasAway(t *testing.T) {
	inColony(t, func(c *colony) {
		a, b := c.opens("a"), c.opens("b")
		defer b.dies()
		time.Sleep(20 * time.Second)
		c.lets(a, "good1")
		time.Sleep(time.Second)
		a.dies()
		time.Sleep(5 * time.Second)
		a = c.opens("a")
		defer a.dies()
		c.board.Flush()
		time.Sleep(15 * time.Second)
		if n := b.q.Counts("outage").Waiting; n != 0 {
			t.Errorf("%d wait at another", n)
		}
		c.is(1, false)
		time.Sleep(20 * time.Second)
		c.reported(1)
	})
}

// A boardBefore stands before a board.
type boardBefore struct {
	*fleet.Memory

	tend func(owner string) error
	told func(*fleet.Tending)
	keep func(owner string, records []fleet.Record) error
	took func(orphan string, names []string)
}

func (b *boardBefore) Tend(ctx context.Context, owner string, adopts bool) (t fleet.Tending, err error) {
	if b.tend != nil {
		if err := b.tend(owner); err != nil {
			return t, err
		}
	}
	t, err = b.Memory.Tend(ctx, owner, adopts)
	if b.told != nil {
		b.told(&t)
	}
	return t, err
}

func (b *boardBefore) Keep(ctx context.Context, owner string, records []fleet.Record) error {
	if b.keep != nil {
		if err := b.keep(owner, records); err != nil {
			return err
		}
	}
	return b.Memory.Keep(ctx, owner, records)
}

func (b *boardBefore) Took(ctx context.Context, orphan string, names []string) error {
	if b.took != nil {
		b.took(orphan, names)
	}
	return b.Memory.Took(ctx, orphan, names)
}

// What leaves the queue of a dead one is in the copy of its adopter by then: if that one
// dies at once, too, the next has it.
func TestKeeper_WhatIsAdoptedIsOnTheBoardAllTheTime(t *testing.T) {
	inColony(t, func(c *colony) {
		copies, took := map[string]int{}, 0
		c.seen = &boardBefore{
			Memory: c.board,
			keep: func(_ string, records []fleet.Record) error {
				c.mu.Lock()
				defer c.mu.Unlock()
				for _, r := range records {
					copies[r.Name]++
				}
				return nil
			},
			took: func(_ string, names []string) {
				c.mu.Lock()
				defer c.mu.Unlock()
				for _, name := range names {
					took++
					if copies[name] != 2 {
						t.Errorf("%s leaves the board", name)
					}
				}
			},
		}
		a, b := c.opens("a"), c.opens("b")
		defer b.dies()
		time.Sleep(20 * time.Second)
		c.lets(a, "good1")
		time.Sleep(time.Second)
		a.dies()
		time.Sleep(15 * time.Second)
		b.dies()
		if took != 1 {
			t.Errorf("%d were taken over, want 1", took)
		}
	})
}

// More than the board is to bear stays with its instance, which says so once; once there
// is room the rest goes there.
func TestKeeper_BoundsItsCopy(t *testing.T) {
	inColony(t, func(c *colony) {
		c.most = 20
		held := map[string]bool{}
		c.seen = &boardBefore{Memory: c.board, keep: func(_ string, records []fleet.Record) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, r := range records {
				if held[r.Name] = true; r.Value == nil {
					delete(held, r.Name)
				}
			}
			if len(held) > 20 {
				t.Errorf("the board has %d", len(held))
			}
			return nil
		}}
		a := c.opens("a")
		time.Sleep(20 * time.Second)
		for i := range 200 { // more than the queue remembers to bring there, too
			c.lets(a, fmt.Sprint("good", i))
		}
		time.Sleep(time.Second)
		c.is(1, true)
		time.Sleep(time.Minute)
		c.is(1, false)
		time.Sleep(10 * time.Minute)
		a.dies()
		c.reported(200)
		for place := range held {
			if strings.Contains(place, "entries") {
				t.Errorf("the board has %s yet", place)
			}
		}
		if n := strings.Count(c.text.String(), "than the fleet keeps copies of"); n != 1 {
			t.Errorf("it is said %d times", n)
		}
	})
}

// An instance adopts no more than it may have copies of: the rest is the next one's, and
// nothing leaves the board meanwhile.
func TestKeeper_AdoptsNoMoreThanItMayCopy(t *testing.T) {
	inColony(t, func(c *colony) {
		c.most = 20
		a, b, d := c.opens("a"), c.opens("b"), c.opens("d")
		defer d.dies()
		time.Sleep(20 * time.Second)
		for i := range 15 {
			c.lets(a, fmt.Sprint("good of a", i))
			c.lets(b, fmt.Sprint("good of b", i))
			if i < 10 {
				c.lets(d, fmt.Sprint("good of d", i))
			}
		}
		time.Sleep(time.Second)
		a.dies()
		time.Sleep(2 * time.Minute)
		if n, m := b.q.Counts("outage").Waiting, d.q.Counts("outage").Waiting; n > 20 || m > 20 || n+m != 40 {
			t.Errorf("%d and %d wait at those that live, want 40, and no more than 20 at one", n, m)
		}
		c.is(1, false)
		time.Sleep(time.Minute)
		b.dies()
		c.reported(40)
	})
}

// A board that is there and refuses the queue, as where its ACL is of an earlier version,
// is warned of once.
func TestKeeper_TellsOnceThatItsBoardRefuses(t *testing.T) {
	inColony(t, func(c *colony) {
		var refuses atomic.Bool
		refuses.Store(true)
		c.seen = &boardBefore{Memory: c.board, tend: func(string) error {
			if refuses.Load() {
				return errors.New("NOPERM")
			}
			return nil
		}}
		a := c.opens("a")
		time.Sleep(5 * time.Minute)
		refuses.Store(false)
		time.Sleep(time.Minute)
		a.dies()
		text := c.text.String()
		if strings.Count(text, "NOPERM") != 1 || strings.Count(text, "is shared with the fleet again") != 1 {
			t.Error(text)
		}
	})
}

// What was let in in the last moment of an instance that ends is on the board, too.
func TestKeeper_BringsItsLastToTheBoard(t *testing.T) {
	inColony(t, func(c *colony) {
		a, b := c.opens("a"), c.opens("b")
		defer b.dies()
		time.Sleep(20*time.Second + 50*time.Millisecond)
		c.lets(a, "good1")
		a.dies()
		time.Sleep(15 * time.Second)
		if n := b.q.Counts("outage").Waiting; n != 1 {
			t.Errorf("%d wait at the other, want 1", n)
		}
	})
}

// An instance whose clock stood still with its machine learns from the board that it was
// silent, and asks nothing again that another one went on with.
func TestKeeper_APausedMachineLearnsThatItWasSilent(t *testing.T) {
	inColony(t, func(c *colony) {
		var paused atomic.Bool
		before := &boardBefore{Memory: c.board, told: func(t *fleet.Tending) {
			if paused.CompareAndSwap(true, false) {
				t.Silent = time.Minute
			}
		}}
		owner := atomic.Value{}
		before.tend = func(who string) error { owner.Store(who); return nil }
		c.seen = before
		a := c.opens("a")
		time.Sleep(20 * time.Second)
		c.lets(a, "good1")
		time.Sleep(time.Second)
		who, _ := owner.Load().(string)
		names, _ := c.board.Names(c.Context(), who)
		_ = c.board.Took(c.Context(), who, names)
		paused.Store(true)
		time.Sleep(5 * time.Second)
		c.is(1, false)
		time.Sleep(20 * time.Second)
		a.dies()
		c.reported(0)
	})
}
