package admin_test

import (
	"strings"
	"testing"

	"captchagate/admin"
	"captchagate/control"
)

// Who throws the switch where Redis is away learns that the others do not know yet.
func TestSentence_SaysWhoKnows(t *testing.T) {
	const alone = "Redis is away: only this instance knows so far"
	for _, fleet := range []*admin.Fleet{nil, {Redis: "up"}, {Redis: "down"}} {
		for _, change := range []control.Change{{Mode: control.Auto}, {Mode: control.Auto, Scene: "login"}, {Mode: control.Degraded, Scene: "login"}} {
			said := admin.Sentence(change, admin.Status{Mode: "normal", Fleet: fleet})
			if want := fleet != nil && fleet.Redis == "down"; strings.Contains(said, alone) != want {
				t.Errorf("of %+v in %+v it says %q", change, fleet, said)
			}
		}
	}
}
