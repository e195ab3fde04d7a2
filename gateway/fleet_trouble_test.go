package gateway_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/fleet"
	"captchagate/gateway"
)

// Three instances see the same trouble, and one tells of it, once it has lasted: not each
// flap, not again while it stands, also if a fourth one joins or the one that told is gone.
// That Redis is away each tells for itself.
func TestTroubles_AreToldOnceAsStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := fleet.NewMemory()
		began, told := time.Now(), []string{}
		note := func(kind, _ string, over bool) {
			told = append(told, fmt.Sprintf("%s %v %v", kind, over, time.Since(began).Round(10*time.Second)))
		}
		var instances []func(map[string]string)
		join := func() {
			instances = append(instances, gateway.OpenTroubles(board, fmt.Sprint(len(instances)), note))
		}
		for range 3 {
			join()
		}
		during := func(d time.Duration, troubles map[string]string) {
			for range d / time.Second {
				for _, observe := range instances {
					observe(troubles)
				}
				time.Sleep(time.Second)
			}
		}
		odd := map[string]string{"configuration": "2 different scenes"}
		during(time.Minute, nil)
		for range 5 {
			during(20*time.Second, odd) // flaps
			during(20*time.Second, nil)
		}
		began = time.Now()
		during(5*time.Minute, odd)
		instances = instances[1:]
		during(4*time.Minute, odd)
		join()
		during(time.Minute, odd)
		during(2*time.Minute, nil)
		if want := []string{"configuration false 30s", "configuration true 11m0s"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		told, began = nil, time.Now()
		during(2*time.Minute, map[string]string{"Redis": "away"})
		if want := slices.Repeat([]string{"Redis false 30s"}, 3); !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}
