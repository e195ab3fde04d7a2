package admin_test

import (
	"strings"
	"testing"

	"captchagate/admin"
)

func TestConfig_ListsEveryMistake(t *testing.T) {
	good := admin.Token{Name: "ops", Role: admin.Operator, Token: operatorToken}
	for _, row := range []struct {
		name string
		cfg  admin.Config
		want []string
	}{
		{"loopback without tokens", admin.Config{Listen: "127.0.0.1:8081", File: "admin.token"}, nil},
		{"localhost without tokens", admin.Config{Listen: "localhost:8081", File: "admin.token"}, nil},
		{"IPv6 loopback without tokens", admin.Config{Listen: "[::1]:8081", File: "admin.token"}, nil},
		{"neither tokens nor a file", admin.Config{Listen: "127.0.0.1:8081"}, []string{"token_file: "}},
		{"a demo without either", admin.Config{Listen: "127.0.0.1:8081", Demo: true}, nil},
		{"the world with tokens", admin.Config{Listen: ":8081", Tokens: tokens}, nil},
		{"the world without tokens", admin.Config{Listen: ":8081", File: "admin.token"}, []string{"listen: "}},
		{"every address without tokens", admin.Config{Listen: "0.0.0.0:8081", File: "admin.token"}, []string{"listen: "}},
		{"a name without tokens", admin.Config{Listen: "gate.example:8081", File: "admin.token"}, []string{"listen: "}},
		{"no listen", admin.Config{File: "admin.token"}, []string{"listen: "}},
		{"no port", admin.Config{Listen: "127.0.0.1", File: "admin.token"}, []string{"listen: "}},
		{"a port of no number", admin.Config{Listen: "127.0.0.1:http", File: "admin.token"}, []string{"listen: "}},
		{"a port too high", admin.Config{Listen: "127.0.0.1:65536", File: "admin.token"}, []string{"listen: "}},
		{"an empty token", admin.Config{Listen: ":1", Tokens: []admin.Token{{}}}, []string{"tokens[0].name: ", "tokens[0].role: ", "tokens[0].token: "}},
		{"one twice", admin.Config{Listen: ":1", Tokens: []admin.Token{good, good}}, []string{"tokens[1].name: ", "tokens[1].token: "}},
		{"an unknown role", admin.Config{Listen: ":1", Tokens: []admin.Token{{Name: "a", Role: "root", Token: operatorToken}}}, []string{"tokens[0].role: "}},
		{"a token with a space", admin.Config{Listen: ":1", Tokens: []admin.Token{{Name: "a", Role: admin.Viewer, Token: "0123456789 abcdef"}}}, []string{"tokens[0].token: "}},
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
				for _, token := range row.cfg.Tokens {
					if token.Token != "" && strings.Contains(got[i], token.Token) {
						t.Errorf("mistake %q tells the token", got[i])
					}
				}
			}
		})
	}
}
