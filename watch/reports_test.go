package watch_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"captchagate/watch"
)

// place is an address in the n-th /24 of documentation's friends.
func place(n, host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), byte(host)})
}

// desk is where reports come in.
type desk struct {
	*watch.Reports
	reg    *prometheus.Registry
	sooner int
	alarms []watch.Alarm
	text   bytes.Buffer
}

func reported(t *testing.T, tell func(d *desk)) {
	synctest.Test(t, func(*testing.T) {
		d := &desk{reg: prometheus.NewRegistry()}
		d.Reports = watch.NewReports(func() { d.sooner++ }, func(a watch.Alarm) { d.alarms = append(d.alarms, a) },
			slog.New(slog.NewTextHandler(&d.text, nil)), d.reg)
		tell(d)
	})
}

func code(n int) []watch.Event { return []watch.Event{{Code: n}} }

func TestReports_RingWhereManyPlacesReport(t *testing.T) {
	reported(t, func(d *desk) {
		for n := range 9 {
			d.Record(place(n, 1), code(1001))
		}
		if len(d.alarms) != 0 || d.sooner != 0 {
			t.Fatalf("nine places rang %d times", len(d.alarms))
		}
		d.Record(place(9, 1), code(1001))
		if len(d.alarms) != 1 || d.sooner != 1 || d.alarms[0].Prefixes != 10 || d.alarms[0].Codes["1001"] != 10 {
			t.Fatalf("ten places: %+v, probes brought forward %d times", d.alarms, d.sooner)
		}
		if d.alarms[0].Config != 0 || strings.Contains(d.text.String(), "1006") {
			t.Errorf("1006 is mentioned: %s", d.text.String())
		}
	})
}

func TestReports_OnePlaceNeverRings(t *testing.T) {
	for name, from := range map[string]func(i int) netip.Addr{
		"one address":           func(int) netip.Addr { return place(1, 1) },
		"one /24":               func(i int) netip.Addr { return place(1, i%256) },
		"one /24, mapped":       func(i int) netip.Addr { return netip.AddrFrom16(place(1, i%256).As16()) },
		"one /48":               func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i)) },
		"one address, in zones": func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("fe80::1%%%d", i)) },
		"no address":            func(int) netip.Addr { return netip.Addr{} },
	} {
		t.Run(name, func(t *testing.T) {
			reported(t, func(d *desk) {
				for i := range 1000 {
					d.Record(from(i), code(1001))
				}
				if len(d.alarms) != 0 || d.sooner != 0 {
					t.Errorf("rang: %+v", d.alarms)
				}
			})
		})
	}
}

func TestReports_RingOnlyWithinAMinuteAndLookOnceAMinute(t *testing.T) {
	reported(t, func(d *desk) {
		for n := range 100 { // seven seconds apart: nine in any minute
			d.Record(place(n, 1), code(1001))
			time.Sleep(7 * time.Second)
		}
		if len(d.alarms) != 0 {
			t.Fatalf("nine places a minute rang: %+v", d.alarms)
		}
		began := time.Now()
		for n := range 600 { // for two minutes
			d.Record(place(n, 2), code(1001))
			time.Sleep(200 * time.Millisecond)
		}
		if len(d.alarms) != 1 || d.sooner != 2 {
			t.Errorf("rang %d times and brought %d probes forward in %v", len(d.alarms), d.sooner, time.Since(began))
		}
	})
}

// Whoever keeps the reports coming for days fills neither log nor audit.
func TestReports_RingWhenItBeginsAndOnceAnHour(t *testing.T) {
	reported(t, func(d *desk) {
		flood := func(lasting time.Duration) {
			for end := time.Now().Add(lasting); time.Now().Before(end); time.Sleep(5 * time.Second) {
				d.Record(place(int(time.Now().Unix()/5%20), 1), code(1001))
			}
		}
		flood(7 * 24 * time.Hour)
		if n := len(d.alarms); n < 160 || n > 168 || strings.Count(d.text.String(), "level=WARN") != n {
			t.Errorf("rang %d times in 168 hours, want once an hour", n)
		}
		if d.sooner < 9000 {
			t.Errorf("brought %d probes forward in a week, want one a minute", d.sooner)
		}
		first, last := d.alarms[0], d.alarms[len(d.alarms)-1]
		if !first.Since.Equal(first.At) || !last.Since.Equal(first.At) {
			t.Errorf("since %v and %v, want %v", first.Since, last.Since, first.At)
		}
		n := len(d.alarms)
		time.Sleep(10 * time.Minute)
		flood(time.Minute)
		if len(d.alarms) != n+1 || !d.alarms[n].Since.Equal(d.alarms[n].At) {
			t.Errorf("after calm: %+v", d.alarms[n:])
		}
	})
}

func TestReports_SayWhatMayBeOurOwnFault(t *testing.T) {
	reported(t, func(d *desk) {
		for n := range 10 {
			events := code(1001)
			if n < 4 {
				events = []watch.Event{{Code: 1006}, {Code: 1006}, {Code: 1001}}
			}
			d.Record(place(n, 1), events)
		}
		if len(d.alarms) != 1 || d.alarms[0].Config != 4 || d.alarms[0].Codes["1001"] != 10 {
			t.Fatalf("%+v", d.alarms)
		}
		if !strings.Contains(d.text.String(), "arrears") {
			t.Errorf("arrears are not mentioned: %s", d.text.String())
		}
		if n := series(t, d.reg, "captchagate_client_events_total", "1006"); n != 8 {
			t.Errorf("1006 counted %v times, want 8", n)
		}
	})
}

func TestReports_HaveABoundedSetOfLabelsAndOfPlaces(t *testing.T) {
	reported(t, func(d *desk) {
		for n := range 5000 {
			d.Record(place(n, 1), code(n))
		}
		families, err := d.reg.Gather()
		if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 16 {
			t.Fatalf("%v (error %v), want one family of 16 series", families, err)
		}
		for label, want := range map[string]float64{"1001": 1, "1014": 1, "1085": 1, "other": 5000 - 15} {
			if got := series(t, d.reg, "captchagate_client_events_total", label); got != want {
				t.Errorf("%s counted %v times, want %v", label, got, want)
			}
		}
		for range 60 { // until it is told that it goes on
			time.Sleep(59 * time.Second)
			for n := range 300 {
				d.Record(place(5000+n, 1), code(1001))
			}
			time.Sleep(time.Second)
			d.Record(place(0, 1), code(1001))
		}
		if last := d.alarms[len(d.alarms)-1]; len(d.alarms) != 2 || last.Prefixes != 256 {
			t.Errorf("%d alarms, the last of %d places, want 256", len(d.alarms), last.Prefixes)
		}
		if strings.Contains(d.text.String(), "10.0.") {
			t.Error("an address is in the log")
		}
	})
}

func TestParseEvents_TakesReportsAndNothingElse(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`{"code":1001},`, 16), ",")
	for name, c := range map[string]struct {
		body string
		want int // events; 0 = refused
	}{
		"one":                    {`{"events":[{"code":1001,"scene":"login","app_id":190000001}]}`, 1},
		"only the code":          {`{"events":[{"code":1001}]}`, 1},
		"a code of the future":   {`{"events":[{"code":2001}]}`, 1},
		"sixteen":                {`{"events":[` + many + `]}`, 16},
		"seventeen":              {`{"events":[{"code":1},` + many + `]}`, 0},
		"none":                   {`{"events":[]}`, 0},
		"no events":              {`{}`, 0},
		"nothing":                {``, 0},
		"null":                   {`null`, 0},
		"a list":                 {`[{"code":1001}]`, 0},
		"no code":                {`{"events":[{"scene":"login"}]}`, 0},
		"a negative code":        {`{"events":[{"code":-1}]}`, 0},
		"a code as text":         {`{"events":[{"code":"1001"}]}`, 0},
		"a broken number":        {`{"events":[{"code":1001.5}]}`, 0},
		"a huge number":          {`{"events":[{"code":99999999999999999999}]}`, 0},
		"a negative app":         {`{"events":[{"code":1001,"app_id":-1}]}`, 0},
		"an unknown field":       {`{"events":[{"code":1001,"ip":"1.2.3.4"}]}`, 0},
		"an unknown outer field": {`{"events":[{"code":1001}],"x":1}`, 0},
		"another case":           {`{"Events":[{"code":1001}]}`, 0},
		"twice the same field":   {`{"events":[{"code":1001,"code":1002}]}`, 0},
		"more behind it":         {`{"events":[{"code":1001}]} {}`, 0},
		"not UTF-8":              {"{\"events\":[{\"code\":1001,\"scene\":\"\xff\"}]}", 0},
		"a long scene":           {`{"events":[{"code":1001,"scene":"` + strings.Repeat("x", 129) + `"}]}`, 0},
		"over 4 KiB":             {`{"events":[{"code":1001}]}` + strings.Repeat(" ", 4096), 0},
	} {
		t.Run(name, func(t *testing.T) {
			events, err := watch.ParseEvents([]byte(c.body))
			if len(events) != c.want || (err == nil) != (c.want > 0) {
				t.Fatalf("%d events (error %v), want %d", len(events), err, c.want)
			}
			if err != nil && !errors.Is(err, watch.ErrReport) {
				t.Errorf("%v is no ErrReport", err)
			}
		})
	}
}

func FuzzParseEvents(f *testing.F) {
	f.Add([]byte(`{"events":[{"code":1001,"scene":"login","app_id":190000001}]}`))
	f.Add([]byte(`{"events":[{"code":1006},{"code":1085}]}`))
	f.Add([]byte("{\"events\":[{\"code\":1,\"scene\":\"\\ud800\"}]}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := watch.ParseEvents(body)
		if err != nil {
			if len(events) != 0 || !errors.Is(err, watch.ErrReport) {
				t.Errorf("%d events with error %v", len(events), err)
			}
			return
		}
		if len(body) > watch.MaxReportBytes || len(events) < 1 || len(events) > watch.MaxEvents {
			t.Errorf("%d events of %d bytes", len(events), len(body))
		}
		for _, e := range events {
			if e.Code <= 0 || len(e.Scene) > 128 {
				t.Errorf("took %+v", e)
			}
		}
	})
}
