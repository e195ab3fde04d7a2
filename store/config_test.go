package store_test

import (
	"strings"
	"testing"

	"captchagate/store"
)

func TestConfig_ListsEveryMistake(t *testing.T) {
	for _, row := range []struct {
		name string
		cfg  store.Config
		want []string // "" = none
	}{
		{"a file", store.Config{Path: "data/gateway.db"}, nil},
		{"nothing", store.Config{}, []string{"path: "}},
		{"redis", store.Config{Redis: "redis://127.0.0.1:6379/0"}, []string{"redis: "}},
		{"both", store.Config{Path: "a", Redis: "redis://127.0.0.1:6379/0"}, []string{"redis: ", "path: "}},
		{"a lone prefix", store.Config{Prefix: "x:"}, []string{"path: ", "prefix: "}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			if err := row.cfg.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(row.want) {
				t.Fatalf("mistakes are %q, want %q", got, row.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], row.want[i]) {
					t.Errorf("mistake %q, want it to begin with %q", got[i], row.want[i])
				}
			}
		})
	}
}
