package strictyaml_test

import (
	"testing"

	"captchagate/strictyaml"
)

func TestMistake_SaysWhereKeyAndWhat(t *testing.T) {
	tests := []struct {
		name string
		m    strictyaml.Mistake
		want string
	}{
		{"in the file", strictyaml.Mistake{File: "g.yaml", Line: 3, Key: "log.level", Text: "is odd"}, "g.yaml:3: log.level: is odd"},
		{"the file itself", strictyaml.Mistake{File: "g.yaml", Text: "is odd"}, "g.yaml: is odd"},
		{"a variable", strictyaml.Mistake{Variable: "GATEWAY__LOG__LEVEL", Key: "log.level", Text: "is odd"}, "GATEWAY__LOG__LEVEL: log.level: is odd"},
		{"an unknown variable", strictyaml.Mistake{Variable: "GATEWAY__X", Text: "is odd"}, "GATEWAY__X: is odd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
