package simulator_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/simulator"
)

func TestControls_ListEveryMistake(t *testing.T) {
	rows := map[string]struct {
		method, path, body string
		fields             []string
	}{
		"everything wrong": {http.MethodPut, "/_sim/fault", `{"kind":"x","share":2,"for":"soon","latency":3,"consume":"y","spare_disaster":1,"extra":0}`,
			[]string{"consume", "extra", "for", "kind", "latency", "share", "spare_disaster"}},
		"no kind":         {http.MethodPut, "/_sim/fault", `{}`, []string{"kind"}},
		"negative":        {http.MethodPut, "/_sim/fault", `{"kind":"hang","share":-0.1,"for":"-1s","latency":"-1s"}`, []string{"for", "latency", "share"}},
		"null share":      {http.MethodPut, "/_sim/fault", `{"kind":"hang","share":null}`, []string{"share"}},
		"not JSON":        {http.MethodPut, "/_sim/fault", `kind=hang`, []string{"body"}},
		"two values":      {http.MethodPut, "/_sim/fault", `{"kind":"hang"}{}`, []string{"body"}},
		"null":            {http.MethodPut, "/_sim/fault", `null`, []string{"body"}},
		"tickets":         {http.MethodPost, "/_sim/tickets", `{"kind":"x","count":0,"type":"y","captcha_app_id":3,"z":1}`, []string{"captcha_app_id", "count", "kind", "type", "z"}},
		"half a ticket":   {http.MethodPost, "/_sim/tickets", `{"count":1.5}`, []string{"count"}},
		"script":          {http.MethodPut, "/_sim/script", `{"kind":"explode","code":"1001"}`, []string{"code", "kind"}},
		"script code":     {http.MethodPut, "/_sim/script", `{"kind":"error_code","code":1015}`, []string{"code"}},
		"code of nothing": {http.MethodPut, "/_sim/script", `{"kind":"ok","code":1001}`, []string{"code"}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			s := simulator.New(simulator.Config{})
			status, body := control(t, s, row.method, "http://x"+row.path, row.body)
			var p struct {
				Status int
				Errors []struct{ Field, Detail string }
			}
			if err := json.Unmarshal([]byte(body), &p); err != nil || status != 400 || p.Status != 400 {
				t.Fatalf("status %d, body %s", status, body)
			}
			var got []string
			for _, one := range p.Errors {
				got = append(got, one.Field)
			}
			if slices.Sort(got); !slices.Equal(got, row.fields) {
				t.Errorf("mistakes are told about %v, want %v", got, row.fields)
			}
			if _, now := control(t, s, http.MethodGet, "http://x/_sim/fault", ""); !strings.Contains(now, `"kind":"none"`) {
				t.Errorf("a bad body changed the fault to %s", now)
			}
		})
	}
}

func TestControls_ShowTheFaultInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		steps := []struct{ method, body, want string }{
			{http.MethodGet, "", `{"kind":"none","share":1,"latency":"0s","consume":true,"spare_disaster":false}`},
			{http.MethodPut, `{"kind":"hang","share":0.25,"for":"15s","spare_disaster":true}`,
				`{"kind":"hang","share":0.25,"for":"15s","ends_at":"2000-01-01T00:00:15Z","latency":"0s","consume":true,"spare_disaster":true}`},
			{http.MethodPut, `{"kind":"slow","consume":false}`, `{"kind":"slow","share":1,"latency":"2s","consume":false,"spare_disaster":false}`},
			{http.MethodDelete, "", `{"kind":"none","share":1,"latency":"0s","consume":true,"spare_disaster":false}`},
		}
		for _, step := range steps {
			status, body := control(t, s, step.method, "http://x/_sim/fault", step.body)
			body = strings.Replace(strings.TrimSpace(body), time.Unix(946684815, 0).Format(time.RFC3339), "2000-01-01T00:00:15Z", 1)
			if status != 200 || body != step.want {
				t.Errorf("%s %s gives %d %s, want %s", step.method, step.body, status, body, step.want)
			}
		}
	})
}

func TestControls_IssueTicketsThatWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		for body, want := range map[string]string{`{}`: "1", `{"kind":"forged","count":3}`: "15", `{"kind":"expired"}`: "8"} {
			_, text := control(t, s, http.MethodPost, "http://x/_sim/tickets", body)
			var tickets []simulator.Ticket
			if err := json.Unmarshal([]byte(text), &tickets); err != nil || len(tickets) == 0 {
				t.Fatalf("%s gives %s", body, text)
			}
			if got := ask(t, s, tickets[len(tickets)-1]).what(); got != want {
				t.Errorf("a ticket of %s gives %s, want %s", body, got, want)
			}
		}
	})
}

func TestControls_CountWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulator.New(simulator.Config{})
		ask(t, s, issue(t, s, "valid"))
		ask(t, s, issue(t, s, "evil"))
		ask(t, s, issue(t, s, "forged"))
		ask(t, s, simulator.Ticket{Ticket: disa, Randstr: "@r"})
		set(t, s, simulator.Fault{Kind: simulator.Empty})
		send(s, request(t.Context(), "http://x", "Other", fields{}))
		_, body := control(t, s, http.MethodGet, "http://x/_sim/stats", "")
		var got simulator.Stats
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if got.Requests != 5 || got.ByAction[web] != 4 || got.ByAction["other"] != 1 || got.Disaster != 1 ||
			got.TicketsConsumed != 2 || got.TicketsIssued != 3 || got.MaxInFlight != 1 || got.InFlight != 0 ||
			got.ByFault["none"] != 4 || got.ByFault["empty"] != 1 || got.StartedAt.IsZero() {
			t.Errorf("counts are %s", body)
		}
		for _, outcome := range []string{"captcha_code_1", "captcha_code_1_evil", "captcha_code_15", "captcha_code_21", "empty"} {
			if got.ByOutcome[outcome] != 1 {
				t.Errorf("outcome %s is counted %d times in %s", outcome, got.ByOutcome[outcome], body)
			}
		}
		control(t, s, http.MethodDelete, "http://x/_sim/stats", "")
		if after := s.Stats(); after.Requests != 0 || len(after.ByOutcome) != 0 || after.TicketsConsumed != 0 {
			t.Errorf("after DELETE the counts are %+v", after)
		}
	})
}

func TestControls_LetPagesFetchTicketsButNotBreakTheAPI(t *testing.T) {
	s := simulator.New(simulator.Config{})
	for _, row := range []struct{ path, origin, want string }{
		{"/_sim/tickets", "https://shop.example", "*"},
		{"/_sim/fault", "https://shop.example", ""},
		{"/_sim/fault", "http://localhost.shop.example", ""},
		{"/_sim/fault", "http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"/_sim/fault", "http://localhost:8080", "http://localhost:8080"},
		{"/_sim/fault", "http://[::1]:8080", "http://[::1]:8080"},
		{"/_sim/fault", "null", ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://x"+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", row.origin)
		got := send(s, r)
		if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != row.want {
			t.Errorf("%s from %s: status %d, allowed %q, want %q", row.path, row.origin, got.status, got.header.Get("Access-Control-Allow-Origin"), row.want)
		}
	}
}

func TestControls_KnowTheirMethodsAndPaths(t *testing.T) {
	s := simulator.New(simulator.Config{})
	for path, want := range map[string]int{"/_sim/stats": 405, "/_sim/other": 404, "/other": 404} {
		if status, body := control(t, s, http.MethodPut, "http://x"+path, "{}"); status != want || !strings.Contains(body, `"status":`) {
			t.Errorf("PUT %s gives %d %s, want %d", path, status, body, want)
		}
	}
}

func TestPage_SaysThatItIsASimulator(t *testing.T) {
	s := simulator.New(simulator.Config{})
	set(t, s, simulator.Fault{Kind: simulator.Garbage})
	status, body := control(t, s, http.MethodGet, "http://sim.test:8082/", "")
	for _, want := range []string{"SIMULATOR", "not Tencent Cloud", "<strong>garbage</strong>", "http://sim.test:8082/_sim/fault", "<code>never_shows</code>"} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("the page (status %d) does not say %q", status, want)
		}
	}
}
