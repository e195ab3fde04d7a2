package control_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"captchagate/captcha"
	"captchagate/control"
	"captchagate/store/bolt"
)

func TestControl_TheSwitchGoesBeforeDrills(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Reason: "drill"}))
		must(t, h.Set(t.Context(), control.Change{Mode: control.Normal, Reason: "attack"}))
		if mode := h.Forced("login", alice); mode != control.Normal {
			t.Errorf("login is %v under normal", mode)
		}
		must(t, h.Set(t.Context(), control.Change{Mode: control.Auto, Reason: "over"}))
		for scene, want := range map[string]control.Mode{"login": control.Degraded, "comment": control.Auto, "": control.Auto} {
			if mode := h.Forced(scene, alice); mode != want {
				t.Errorf("%q is %v, want %v", scene, mode, want)
			}
		}
		must(t, h.Set(t.Context(), control.Change{Mode: control.Auto, Scene: "login", Reason: "over"}))
		if mode := h.Forced("login", alice); mode != control.Auto {
			t.Errorf("login is %v after its drill", mode)
		}
	})
}

func TestControl_ChoosesADrillsUsersStably(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		drill := func(scene string, share float64) string {
			must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: scene, Share: &share, Reason: "drill"}))
			return sides(h, scene)
		}
		five := drill("login", 0.05)
		if n := strings.Count(five, "1"); n < 400 || n > 600 {
			t.Errorf("%d of 10000 users are in a share of 0.05", n)
		}
		if again := sides(h, "login"); again != five {
			t.Error("users change sides")
		}
		ten := drill("login", 0.1)
		for i := range five {
			if five[i] == '1' && ten[i] == '0' {
				t.Fatalf("user %d leaves the share as it grows", i)
			}
		}
		if other := drill("comment", 0.05); other == five {
			t.Error("another scene's drill has the same users")
		}
		for share, want := range map[float64]int{0: 0, 1: 10000} {
			if n := strings.Count(drill("login", share), "1"); n != want {
				t.Errorf("%d users are in a share of %g", n, share)
			}
		}
	})
}

// A scene's name and a user's are not run together: of two scenes each chooses
// for itself, also if one's name begins with the other's.
func TestControl_ScenesOfLikeNamesChooseForThemselves(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, "log", "login")
		share, same := 0.5, 0
		for _, scene := range []string{"log", "login"} {
			must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: scene, Share: &share, Reason: "drill"}))
		}
		for n := range 1000 {
			user := fmt.Sprint("user", n)
			if h.Forced("login", captcha.Ticket{Subject: user}) == h.Forced("log", captcha.Ticket{Subject: "in" + user}) {
				same++
			}
		}
		if same > 600 {
			t.Errorf("%d of 1000 users are on the same side of both", same)
		}
	})
}

// Nobody outside can compute whom a drill meets: it hangs on a key of the store.
func TestControl_AnotherStoreChoosesOtherUsers(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		share := 0.5
		var chosen []string
		for _, path := range []string{path, path + "2"} {
			h := start(t, path, scenes...)
			must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Share: &share, Reason: "drill"}))
			chosen = append(chosen, sides(h, "login"))
		}
		if chosen[0] == chosen[1] {
			t.Error("two stores choose the same users")
		}
	})
}

func TestControl_EndsDrillsOfScenesThatAreGone(t *testing.T) {
	story(t, func(t *testing.T, path string) {
		h := start(t, path, scenes...)
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Reason: "drill", Actor: "ops"}))
		must(t, h.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "comment", Reason: "drill", Actor: "ops"}))
		synctest.Wait() // Run waits by now, for a second
		h.SetScenes([]string{"comment", "payment"})
		synctest.Wait()
		if drills := h.Drills(); len(drills) != 1 || drills[0].Scene != "comment" {
			t.Errorf("the drills are %+v", drills)
		}
		h.end()
		h = start(t, path, "payment")
		if drills := h.Drills(); len(drills) != 0 {
			t.Errorf("after the restart the drills are %+v", drills)
		}
	})
}

func TestForced_CostsNoAllocation(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "gateway.db"), quiet)
	must(t, err)
	defer s.Close()
	c, err := control.New(t.Context(), s, scenes, quiet)
	must(t, err)
	user := strings.Repeat("u", 256)
	if n := testing.AllocsPerRun(100, func() { c.Forced("login", captcha.Ticket{Subject: user}) }); n != 0 {
		t.Errorf("%v allocations where nothing is forced", n)
	}
	share := 0.5
	must(t, c.Set(t.Context(), control.Change{Mode: control.Degraded, Scene: "login", Share: &share, Reason: "drill", For: time.Hour}))
	if n := testing.AllocsPerRun(100, func() { c.Forced("login", captcha.Ticket{Subject: user}) }); n != 0 {
		t.Errorf("%v allocations in a drill", n)
	}
}

// sides says for each of 10,000 users whether it is in a scene's drill.
func sides(h *house, scene string) string {
	var out strings.Builder
	for i := range 10000 {
		if h.Forced(scene, captcha.Ticket{Subject: fmt.Sprint("user", i)}) == control.Degraded {
			out.WriteByte('1')
		} else {
			out.WriteByte('0')
		}
	}
	return out.String()
}
