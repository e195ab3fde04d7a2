package upstream_test

import (
	"strings"
	"testing"

	"captchagate/upstream"
)

func TestConfig_AcceptsWhatIsRight(t *testing.T) {
	for _, endpoint := range []string{
		"https://captcha.tencentcloudapi.com", "https://captcha.intl.tencentcloudapi.com/", "http://127.0.0.1:8082", "http://[::1]:8082",
	} {
		if err := config(endpoint).Validate(); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestConfig_NamesEachMistake(t *testing.T) {
	rows := []struct {
		name  string
		spoil func(*upstream.Config)
		want  string
	}{
		{"no endpoint", func(c *upstream.Config) { c.Endpoint = "" }, "endpoint: must be"},
		{"endpoint without a scheme", func(c *upstream.Config) { c.Endpoint = "captcha.example" }, "endpoint: must be"},
		{"endpoint without a host", func(c *upstream.Config) { c.Endpoint = "https://:443" }, "endpoint: must be"},
		{"endpoint with a path", func(c *upstream.Config) { c.Endpoint = "https://captcha.example/v1" }, "endpoint: must be"},
		{"endpoint with a query", func(c *upstream.Config) { c.Endpoint = "https://captcha.example?a=b" }, "endpoint: must be"},
		{"endpoint with a fragment", func(c *upstream.Config) { c.Endpoint = "https://captcha.example#a" }, "endpoint: must be"},
		{"endpoint with a password", func(c *upstream.Config) { c.Endpoint = "https://a:b@captcha.example" }, "endpoint: must be"},
		{"other scheme", func(c *upstream.Config) { c.Endpoint = "ftp://captcha.example" }, "endpoint: must be"},
		{"region with a space", func(c *upstream.Config) { c.Region = "ap guangzhou" }, "region: must be"},
		{"no secret id", func(c *upstream.Config) { c.SecretID = "" }, "secret_id: is empty"},
		{"secret id with a line end", func(c *upstream.Config) { c.SecretID += "\n" }, "secret_id: holds a space"},
		{"no secret key", func(c *upstream.Config) { c.SecretKey = "" }, "secret_key: is empty"},
		{"secret key with a line end", func(c *upstream.Config) { c.SecretKey += "\n" }, "secret_key: holds a space"},
		{"no apps", func(c *upstream.Config) { c.Apps = nil }, "apps: at least one"},
		{"app without an id", func(c *upstream.Config) { c.Apps[0].CaptchaAppID = 0 }, "apps[0].captcha_app_id: must be"},
		{"app twice", func(c *upstream.Config) { c.Apps = append(c.Apps, c.Apps[0]) }, "apps[1].captcha_app_id: 190000001 is listed twice"},
		{"app without a key", func(c *upstream.Config) { c.Apps[0].AppSecretKey = "" }, "apps[0].app_secret_key: is empty"},
		{"app key with a space", func(c *upstream.Config) { c.Apps[0].AppSecretKey = " k" }, "apps[0].app_secret_key: holds a space"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := config("https://captcha.example")
			row.spoil(&c)
			err := c.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want one line with %q", err, row.want)
			}
		})
	}
}

func TestConfig_ListsAllMistakesAtOnce(t *testing.T) {
	err := upstream.Config{Apps: []upstream.App{{}}}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	if got := strings.Split(err.Error(), "\n"); len(got) != 5 {
		t.Errorf("mistakes are %q, want 5", got)
	}
}
