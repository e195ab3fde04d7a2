package store_test

import (
	"reflect"
	"strings"
	"testing"

	"captchagate/store"
)

func TestRedis_ReadsEveryForm(t *testing.T) {
	for text, want := range map[string]store.RedisAddress{
		"redis://127.0.0.1:6379/0":     {Hosts: []string{"127.0.0.1:6379"}},
		"redis://redis":                {Hosts: []string{"redis:6379"}},
		"redis://[::1]:7000/3":         {Hosts: []string{"[::1]:7000"}, Database: 3},
		"rediss://me:s3cret@h:1/2":     {Hosts: []string{"h:1"}, TLS: true, Username: "me", Password: "s3cret", Database: 2},
		"redis://:p%40ss@h":            {Hosts: []string{"h:6379"}, Password: "p@ss"},
		"unix:///run/redis.sock?db=4":  {Socket: "/run/redis.sock", Database: 4},
		"unix://u:p@/run/redis.sock":   {Socket: "/run/redis.sock", Username: "u", Password: "p"},
		"redis-sentinel://a,b:1,c/one": {Hosts: []string{"a:26379", "b:1", "c:26379"}, Master: "one"},
		"redis-sentinel://u:p@a:1,b:2/one?db=5": {
			Hosts: []string{"a:1", "b:2"}, Master: "one", Username: "u", Password: "p", Database: 5,
		},
	} {
		got, err := store.Redis{text}.Parse()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v (%v), want %+v", text, got, err, want)
		}
	}
	got, err := store.Redis{"rediss://u:p@a:1", "rediss://u:p@b"}.Parse()
	if want := (store.RedisAddress{Hosts: []string{"a:1", "b:6379"}, Cluster: true, TLS: true, Username: "u", Password: "p"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a list is %+v (%v), want %+v", got, err, want)
	}
	var r store.Redis
	if err := r.UnmarshalText([]byte("redis://h")); err != nil || len(r) != 1 {
		t.Errorf("%q %v", r, err)
	}
	if err := r.UnmarshalText(nil); err != nil || len(r) != 0 {
		t.Errorf("nothing is %q %v", r, err)
	}
}

// What is wrong is told without the password that may stand in it (S4).
func TestRedis_RefusesWhatIsNone(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, r := range []store.Redis{
		{"localhost:6379"}, {"http://h"}, {"redis://"}, {"redis://u:" + secret + "@:0/x"}, {"redis://h/x"}, {"redis://h/-1"},
		{"redis://h:99999"}, {"redis://h?protocol=3"}, {"unix://run/redis.sock"}, {"unix:///"}, {"redis-sentinel://a,b"},
		{"redis-sentinel://a,,b/m"}, {"redis://u:" + secret + "@h%zz"}, {"redis://a", "unix:///s"}, {"redis://a", "redis://b/1"},
		{"redis://u:" + secret + "@a", "redis://b"}, {"redis://a", "rediss://b"}, {"redis://a", "nothing"},
	} {
		c := store.Config{Path: "x", Redis: r, Secret: "s"}
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "redis: ") || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", r, err)
		}
	}
	for name, c := range map[string]store.Config{
		"secret: is empty": {Path: "x", Redis: store.Redis{"redis://h"}},
		"secret: is for":   {Path: "x", Secret: "s"},
		"prefix: must":     {Path: "x", Prefix: "a b"},
	} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
