package simulator_test

import (
	"strings"
	"testing"
	"time"

	"captchagate/simulator"
)

func TestConfig_ListsEveryMistake(t *testing.T) {
	if err := (simulator.Config{}).Validate(); err != nil {
		t.Errorf("the zero value is refused: %v", err)
	}
	if err := (simulator.Config{Latency: simulator.NoLatency}).Validate(); err != nil {
		t.Errorf("no latency is refused: %v", err)
	}
	err := simulator.Config{
		SecretID: "id", Apps: map[uint64]string{0: "k", 7: ""},
		Latency: -time.Second, Jitter: -1, Capacity: -1,
	}.Validate()
	if err == nil {
		t.Fatal("nothing is wrong with a wrong configuration")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, key := range []string{"secret_id: ", "apps: ", "apps: ", "latency: ", "jitter: ", "capacity: "} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], key) {
			t.Errorf("mistake %d should be about %q in:\n%v", i, key, err)
		}
	}
}
