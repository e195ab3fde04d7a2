package loadtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"captchagate/loadtest"
)

// A run against a wrong address would blame the gateway.
func TestPlay_LooksAtEveryDoorFirst(t *testing.T) {
	t.Parallel()
	s := read(t, short("{valid: 1}"))
	right := gateway(t, api(t), func(int64, string) (int, string) { t.Error("something was sent"); return 500, "" })
	for flag, wrong := range map[string]func(g *loadtest.Gateway){
		"--target":       func(g *loadtest.Gateway) { g.Instances[0].Address = "127.0.0.1:1" },
		"--simulator":    func(g *loadtest.Gateway) { g.Simulator = right.Instances[0].Address },
		"--target-admin": func(g *loadtest.Gateway) { g.Instances[0].Admin = right.Simulator },
	} {
		g := alone(right.Name, right.Instances[0].Address, right.Simulator, "")
		wrong(&g)
		if _, err := loadtest.Play(t.Context(), s, []loadtest.Gateway{g}, nil); err == nil || !strings.Contains(err.Error(), "see "+flag) && !strings.Contains(err.Error(), "See "+flag) {
			t.Errorf("a wrong %s: %v", flag, err)
		}
	}
}

// A simulator of somebody else may count by kind, know one app only, and have no
// script that fails.
func TestPlay_TakesAnotherSimulator(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /_sim/fault", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /_sim/tickets", func(w http.ResponseWriter, r *http.Request) {
		var wish struct {
			Kind  string
			Count int
		}
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&wish); err != nil || wish.Kind == "foreign" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(slices.Repeat([]map[string]string{{"ticket": "t", "randstr": "r"}}, wish.Count))
	})
	mux.HandleFunc("GET /_sim/stats", func(w http.ResponseWriter, _ *http.Request) {
		// A hundred a request, so that the objective does not hang on when this is read.
		fmt.Fprintf(w, `{"requests":{"DescribeCaptchaResult":%d,"probes":3}}`, 100*sent.Load())
	})
	other := httptest.NewServer(mux)
	t.Cleanup(other.Close)
	s := read(t, strings.NewReplacer("useful >= 100%", "useful >= 100%, upstream calls > 100", "500ms", "3s", "400/s", "30/s").Replace(
		short("{foreign: 1}", "callers: {give_up: 1m}"))) // counts are read in its time on a busy machine too
	g := gateway(t, strings.TrimPrefix(other.URL, "http://"), func(int64, string) (int, string) { sent.Add(1); return 200, refused })
	r, err := loadtest.Play(t.Context(), s, []loadtest.Gateway{g}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Targets[0].Objectives {
		if !o.Met {
			t.Errorf("missed: %s; found %s", o.Text, o.Found)
		}
	}
	// Whether the rate was kept is the machine's, and all that is left.
	if kept := r.Targets[0].Kept; r.Passed != kept.OK {
		t.Errorf("passed is %t, kept %+v", r.Passed, kept)
	}
}
