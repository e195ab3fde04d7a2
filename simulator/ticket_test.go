package simulator_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/simulator"
)

func TestTicket_GetsTheCodeOfItsKind(t *testing.T) {
	rows := map[string]struct {
		change func(fields) fields
		kind   string
		want   string
	}{
		"valid":               {nil, "valid", "1"},
		"expired":             {nil, "expired", "8"},
		"used":                {nil, "used", "9"},
		"forged":              {nil, "forged", "15"},
		"evil":                {nil, "evil", "1"},
		"wrong randstr":       {func(f fields) fields { return f.with("Randstr", "@other") }, "valid", "7"},
		"empty randstr":       {func(f fields) fields { return f.with("Randstr", "") }, "valid", "7"},
		"another app":         {func(f fields) fields { return f.with("CaptchaAppId", 7).with("AppSecretKey", "seven") }, "valid", "16"},
		"no such app":         {func(f fields) fields { return f.with("CaptchaAppId", 8) }, "valid", "16"},
		"wrong key":           {func(f fields) fields { return f.with("AppSecretKey", "seven") }, "valid", "100"},
		"nonsense":            {func(f fields) fields { return f.with("Ticket", "nonsense") }, "valid", "15"},
		"disaster":            {func(f fields) fields { return f.with("Ticket", disa) }, "valid", "21"},
		"another prefix":      {func(f fields) fields { return f.with("Ticket", disa[2:]) }, "valid", "15"},
		"disaster 1.0":        {func(f fields) fields { return f.with("Ticket", "terror_1001_190000001_1700000000") }, "valid", "21"},
		"disaster extra":      {func(f fields) fields { return f.with("Ticket", disa+"_x_y") }, "valid", "21"},
		"disaster other app":  {func(f fields) fields { return f.with("Ticket", "trerror_1001_7_1700000000") }, "valid", "16"},
		"disaster no app":     {func(f fields) fields { return f.with("Ticket", "trerror_1001_undefined_1700000000") }, "valid", "16"},
		"disaster glued":      {func(f fields) fields { return f.with("Ticket", "terror_1001_1900000011700000000") }, "valid", "16"},
		"disaster no time":    {func(f fields) fields { return f.with("Ticket", "trerror_1001_190000001") }, "valid", "15"},
		"disaster odd code":   {func(f fields) fields { return f.with("Ticket", "trerror_x_190000001_1700000000") }, "valid", "15"},
		"disaster, wrong key": {func(f fields) fields { return f.with("Ticket", disa).with("AppSecretKey", "x") }, "valid", "100"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulator.New(simulator.Config{Apps: map[uint64]string{
					simulator.DefaultAppID: simulator.DefaultAppSecretKey, 7: "seven", 999999999: "z",
				}})
				tickets, err := s.IssueOrder(simulator.Order{Kind: row.kind, AppID: simulator.DefaultAppID, Count: 1})
				if err != nil {
					t.Fatal(err)
				}
				f := callFor(tickets[0])
				if row.change != nil {
					f = row.change(f)
				}
				if got := send(s, request(t.Context(), "http://captcha.test", web, f)); got.what() != row.want {
					t.Errorf("answer is %s, want %s", got.what(), row.want)
				}
			})
		})
	}
}

func TestTicket_LivesFiveMinutesAndPassesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		young, old := issue(t, s, "valid"), issue(t, s, "valid")
		if got := ask(t, s, young).what(); got != "1" {
			t.Fatalf("a fresh ticket gives %s", got)
		}
		if got := ask(t, s, young).what(); got != "9" {
			t.Errorf("a ticket used twice gives %s, want 9", got)
		}
		time.Sleep(simulator.TicketLife - time.Second)
		last := issue(t, s, "valid")
		if got := ask(t, s, old).what(); got != "1" {
			t.Errorf("a ticket just under five minutes old gives %s, want 1", got)
		}
		time.Sleep(time.Second)
		if got := ask(t, s, young).what(); got != "8" {
			t.Errorf("a ticket over five minutes old gives %s, want 8", got)
		}
		if got := ask(t, s, last).what(); got != "1" {
			t.Errorf("a later ticket gives %s, want 1", got)
		}
	})
}

func TestTicket_PassesOnceAmongManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		ticket := issue(t, s, "valid")
		var passed, reused atomic.Int64
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				switch ask(t, s, ticket).what() {
				case "1":
					passed.Add(1)
				case "9":
					reused.Add(1)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 1 || reused.Load() != 199 {
			t.Errorf("%d passed and %d were reused, want 1 and 199", passed.Load(), reused.Load())
		}
	})
}

func TestTicket_IsForgottenWhenExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{Latency: simulator.NoLatency})
		for range 6 { // half an hour of traffic
			tickets, err := s.Issue("valid", 500)
			if err != nil {
				t.Fatal(err)
			}
			for _, ticket := range tickets {
				ask(t, s, ticket)
			}
			time.Sleep(simulator.TicketLife + time.Minute)
		}
		ask(t, s, issue(t, s, "valid"))
		if kept := s.SpentTickets(); kept != 1 {
			t.Errorf("%d used tickets are remembered, want only the one that still lives", kept)
		}
	})
}

func TestTicket_GoesToItsOwnActionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		tickets, err := s.IssueOrder(simulator.Order{Type: "mini", Count: 2})
		if err != nil {
			t.Fatal(err)
		}
		bare := callFor(tickets[0]).with("Randstr", nil)
		got := send(s, request(t.Context(), "http://captcha.test", mini, bare))
		if got.what() != "1" || got.response.EvilLevel != nil || *got.response.CaptchaMsg != "OK" {
			t.Errorf("a mini ticket gives %s: %s", got.what(), got.body)
		}
		if got := ask(t, s, tickets[1]).what(); got != "15" {
			t.Errorf("a mini ticket to the web action gives %s, want 15", got)
		}
		bare = callFor(issue(t, s, "valid")).with("Randstr", nil)
		if got := send(s, request(t.Context(), "http://captcha.test", mini, bare)).what(); got != "25" {
			t.Errorf("a web ticket to the mini action gives %s, want 25", got)
		}
	})
}

func TestTicket_AnswerHasEveryField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		now := time.Now().Unix()
		f := callFor(issue(t, s, "valid")).with("NeedGetCaptchaTime", 1)
		r := send(s, request(t.Context(), "http://captcha.test", web, f)).response
		if r.CaptchaMsg == nil || *r.CaptchaMsg != "OK" || r.EvilLevel == nil || *r.EvilLevel != 0 ||
			r.GetCaptchaTime == nil || *r.GetCaptchaTime != now-3 || r.SubmitCaptchaTime == nil || *r.SubmitCaptchaTime != now ||
			r.EvilBitmap == nil || r.DeviceRiskCategory == nil || r.Score == nil || *r.Score > 50 || r.RequestId == "" {
			t.Errorf("a person's answer lacks something: %+v", r)
		}
		r = ask(t, s, issue(t, s, "evil")).response
		if *r.EvilLevel != 100 || *r.Score < 90 || *r.DeviceRiskCategory == "" || *r.EvilBitmap == 0 || *r.GetCaptchaTime != 0 {
			t.Errorf("a machine's answer does not look evil: %+v", r)
		}
	})
}

func TestIssue_RefusesWhatItDoesNotKnow(t *testing.T) {
	s := simulator.New(simulator.Config{})
	for name, o := range map[string]simulator.Order{
		"kind":  {Kind: "golden", Count: 1},
		"type":  {Type: "app", Count: 1},
		"app":   {AppID: 7, Count: 1},
		"none":  {Count: 0},
		"heaps": {Count: simulator.MaxIssue + 1},
	} {
		if tickets, err := s.IssueOrder(o); err == nil || tickets != nil {
			t.Errorf("%s: issued %d tickets, error %v", name, len(tickets), err)
		}
	}
}
