package scenario_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/loadtest/scenario"
)

func rate(t *testing.T, text string) scenario.Rate {
	t.Helper()
	var r scenario.Rate
	if err := r.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r
}

// How many requests leave is the area under the rate.
func TestRate_Times(t *testing.T) {
	for _, c := range []struct {
		text, words   string
		first, second int // in the halves of 10s
	}{
		{"500/s", "500/s", 2500, 2500},
		{"100/s to 900/s", "100/s rising to 900/s", 1500, 3500},
		{"900/s to 100/s", "900/s falling to 100/s", 3500, 1500},
		{"100/s, 900/s from 2s to 5s", "100/s, 900/s from 2s to 5s", 2900, 500},
		{"200/s +- 150/s every 20s", "200/s ± 150/s every 20s", 522, 1477},
	} {
		t.Run(c.text, func(t *testing.T) {
			r := rate(t, c.text)
			times := r.Times(10 * time.Second)
			if !slices.IsSorted(times) || times[0] < 0 || times[len(times)-1] >= 10*time.Second {
				t.Errorf("the times are not in order and within the phase: %v … %v", times[0], times[len(times)-1])
			}
			half, _ := slices.BinarySearch(times, 5*time.Second)
			if off(half, c.first) || off(len(times)-half, c.second) {
				t.Errorf("%d and %d requests leave in the halves, want %d and %d", half, len(times)-half, c.first, c.second)
			}
			if r.String() != c.words {
				t.Errorf("in words it is %q, want %q", r, c.words)
			}
		})
	}
}

func off(got, want int) bool { return got < want*98/100 || got > want*102/100 }

// What leaves in a phase is to the request what its rate says.
func TestRate_CountsToTheRequest(t *testing.T) {
	for _, c := range []struct {
		text   string
		length time.Duration
		want   int
	}{
		{"100/s", 3 * time.Second, 300},
		{"120/s", time.Second, 120},
		{"1/s", time.Second, 1},
		{"1/s", time.Second / 2, 1},
		{"1/s", time.Second + 1, 2},
		{"1/s", scenario.MaxLength, 240},
		{"7/s", 3 * time.Second, 21},
		{"999/s", 100 * time.Millisecond, 100},
		{"400/s", 500 * time.Millisecond, 200},
		{"20000/s", 25 * time.Second, scenario.MaxRequests},
		{"100/s to 900/s", 10 * time.Second, 5000},
		{"900/s to 100/s", 10 * time.Second, 5000},
		{"100/s to 100/s", 3 * time.Second, 300},
		{"1/s to 2/s", time.Second, 2},
		{"100/s, 900/s from 2s to 5s", 10 * time.Second, 3400},
		{"900/s, 100/s from 0s to 5s", 10 * time.Second, 5000},
		{"100/s, 900/s from 2s to 5s", 3 * time.Second, 1100},
		{"100/s, 900/s from 2s to 5s", time.Second, 100},
		{"200/s +- 150/s every 20s", 20 * time.Second, 4000},
		{"200/s +- 150/s every 20s", 10 * time.Second, 2000},
		{"200/s +- 199/s every 1ms", 3 * time.Second, 600},
		{"100/s", 0, 0},
		{"100/s", -time.Second, 0},
	} {
		t.Run(fmt.Sprint(c.text, " for ", c.length), func(t *testing.T) {
			r := rate(t, c.text)
			times := r.Times(c.length)
			if r.Requests(c.length) != c.want || len(times) != c.want {
				t.Fatalf("%d are counted and %d leave, want %d", r.Requests(c.length), len(times), c.want)
			}
			if c.want == 0 {
				return
			}
			if times[0] != 0 {
				t.Errorf("the first leaves at %v, want the beginning", times[0])
			}
			if last := times[len(times)-1]; !slices.IsSorted(times) || last >= c.length {
				t.Errorf("they are not in order, or the last (%v) leaves after the end (%v)", last, c.length)
			}
		})
	}
}

// A request leaves when those before it are due: in the middle of a ramp, a
// spike and a sine as in a constant rate.
func TestRate_SendsWhenItIsDue(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int // from 0
		want time.Duration
	}{
		{"120/s", 1, 8_333_334},
		{"120/s", 60, 500 * time.Millisecond},
		{"100/s to 900/s", 1500, 5 * time.Second},
		{"100/s, 900/s from 2s to 5s", 199, 1990 * time.Millisecond},
		{"100/s, 900/s from 2s to 5s", 200, 2 * time.Second},
		{"100/s, 900/s from 2s to 5s", 209, 2010 * time.Millisecond},
		{"100/s, 900/s from 2s to 5s", 2900, 5 * time.Second},
		{"100/s, 900/s from 2s to 5s", 2901, 5010 * time.Millisecond},
		{"200/s +- 150/s every 4s", 400, 2 * time.Second},
		{"200/s +- 150/s every 4s", 800, 4 * time.Second},
	} {
		if got := rate(t, c.text).Times(10 * time.Second)[c.n]; got < c.want-1 || got > c.want+1 {
			t.Errorf("%s: request %d leaves at %v, want %v", c.text, c.n, got, c.want)
		}
	}
}

// Nothing that could be asked of a rate is endless, also of none.
func TestRate_IsBounded(t *testing.T) {
	if got := rate(t, "20000/s").Times(24 * time.Hour); len(got) != scenario.MaxRequests {
		t.Errorf("%d requests leave in a day, want no more than %d", len(got), scenario.MaxRequests)
	}
	for _, text := range []string{"", "0/s", "100000/s", "0/s to 10/s"} {
		var r scenario.Rate
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
		if got := r.Times(time.Minute); len(got) > 0 || r.Requests(time.Minute) > 0 || r.String() != "" {
			t.Errorf("%q sends %d requests as %q", text, len(got), r)
		}
	}
}

func TestRate_SpacesRequestsEvenly(t *testing.T) {
	times := rate(t, "1000/s").Times(time.Second)
	for i := 1; i < len(times); i++ {
		if gap := times[i] - times[i-1]; gap != time.Millisecond {
			t.Fatalf("%v lie between the requests %d and %d, want 1ms", gap, i-1, i)
		}
	}
}

// A rate that cannot be is told with all else that is wrong in the file, and is
// not tried.
func TestRead_RefusesRatesOutOfRange(t *testing.T) {
	for text, want := range map[string]string{
		"0/s":                        "must be between 1/s and 20000/s, is 0/s",
		"20001/s":                    "must be between 1/s and 20000/s, is 20001/s",
		"100000/s":                   "must be between 1/s and 20000/s, is 100000/s",
		"99999999999999999999/s":     "must be between 1/s and 20000/s, is [redacted]", // as long as a secret
		"0/s to 10/s":                "must be between 1/s and 20000/s, is 0/s",
		"10/s to 0/s":                "must be between 1/s and 20000/s, is 0/s",
		"10/s to 100000/s":           "must be between 1/s and 20000/s, is 100000/s",
		"0/s, 9/s from 0s to 1s":     "must be between 1/s and 20000/s, is 0/s",
		"9/s, 0/s from 0s to 1s":     "must be between 1/s and 20000/s, is 0/s",
		"9/s, 99999/s from 0s to 1s": "must be between 1/s and 20000/s, is 99999/s",
		"0/s +- 0/s every 1s":        "must be between 1/s and 20000/s, is 0/s",
		"9/s, 19/s from 1s to 1s":    "must have a spike that ends after it begins, has 1s to 1s",
		"9/s +- 9/s every 1s":        "must swing by less than its middle and take some time, has 9/s, 9/s and 1s",
	} {
		file := "name: x\nphases:\n  - {name: only, for: 3m, rate: \"" + text + "\"}\nobjectives: [useful >= 100%]\n"
		_, err := scenario.Read("x.yaml", []byte(file))
		if want := "x.yaml:1: title: is missing; say in one line what is played\nx.yaml:3: phases[0].rate: " + want; err == nil || err.Error() != want {
			t.Errorf("%s: it says\n%v\nwant\n%s", text, err, want)
		}
	}
}

// The page says what a scenario may ask for at most.
func TestDocs_TellTheLimits(t *testing.T) {
	text, err := os.ReadFile("../../docs/loadtest.md")
	if err != nil {
		t.Fatal(err)
	}
	grouped := func(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
	for _, want := range []string{
		"1/s to " + grouped(scenario.MaxRate) + "/s", grouped(scenario.MaxRequests) + " requests", fmt.Sprintf("%.0f minutes", scenario.MaxLength.Minutes()),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/loadtest.md does not tell of %q", want)
		}
	}
}

func TestRate_RefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{
		"", "500", "0/s", "20001/s", "-5/s", "5/h", "100/s to", "100/s, 900/s from 5s to 2s",
		"100/s, 900/s from a to b", "100/s +- 100/s every 5s", "100/s +- 50/s every 0s",
	} {
		var r scenario.Rate
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
