package public_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"captchagate/public"
)

// A request that is wrong in several ways is refused for the first of them:
// method, key, content type, size, body, scene.
func TestVerify_RefusesInOrder(t *testing.T) {
	big := strings.Repeat("x", 64<<10+1)
	atDoor(t, shopAndBlog, func(d *door) {
		for _, row := range []struct {
			name, method, key, kind, body string
			status                        int
			named                         []string
		}{
			{name: "all wrong", method: "GET", key: "Bearer wrong", kind: "text/plain", body: big, status: 405},
			{name: "method before key", method: "PUT", kind: "application/json", body: request(nil), status: 405},
			{name: "key before type", method: "POST", kind: "text/plain", body: request(nil), status: 401},
			{name: "key before size", method: "POST", kind: "application/json", body: big, status: 401},
			{name: "key before body", method: "POST", kind: "application/json", body: "{", status: 401},
			{name: "type before size", method: "POST", key: "Bearer blog-key-0123456789", kind: "text/plain", body: big, status: 415},
			{name: "type before body", method: "POST", key: "Bearer blog-key-0123456789", body: "{", status: 415},
			{name: "body before scene", method: "POST", key: "Bearer blog-key-0123456789", kind: "application/json", body: request(fields{"user_ip": "x"}), status: 400, named: []string{"user_ip"}},
			{name: "unknown scene before forbidden", method: "POST", key: "Bearer blog-key-0123456789", kind: "application/json", body: request(fields{"scene": "signup"}), status: 400, named: []string{"scene"}},
			{name: "scene last", method: "POST", key: "Bearer blog-key-0123456789", kind: "application/json", body: request(nil), status: 403, named: []string{"scene"}},
		} {
			var header []string
			if row.key != "" {
				header = append(header, "Authorization", row.key)
			}
			if row.kind != "" {
				header = append(header, "Content-Type", row.kind)
			}
			w := d.send(row.method, "/v1/verify", row.body, header...)
			d.refuses(row.name, w, row.status, row.named...)
		}
		w := d.post(request(nil), "Authorization", "Bearer blog-key-0123456789", "Idempotency-Key", "")
		d.refuses("Idempotency-Key before scene", w, 400, "Idempotency-Key")
		d.untouched("refused in order")
	})
}

// Where keys are configured, each opens its own scenes and nothing else opens
// any.
func TestVerify_AsksForAKey(t *testing.T) {
	atDoor(t, shopAndBlog, func(d *door) {
		for name, header := range map[string][]string{
			"none": nil, "empty": {"Authorization", ""}, "no scheme": {"Authorization", "shop-key-0123456789"},
			"another scheme": {"Authorization", "Basic shop-key-0123456789"}, "wrong": {"Authorization", "Bearer shop-key-0123456780"},
			"only a scheme": {"Authorization", "Bearer"}, "an empty key": {"Authorization", "Bearer "},
			"a part": {"Authorization", "Bearer shop-key"}, "in other letters": {"Authorization", "Bearer SHOP-KEY-0123456789"},
			"two keys": {"Authorization", "Bearer shop-key-0123456789,blog-key-0123456789"}, "in another header": {"X-Api-Key", "shop-key-0123456789"},
			"a name": {"Authorization", "Bearer shop"},
		} {
			w := d.post(request(nil), header...)
			d.refuses("key: "+name, w, http.StatusUnauthorized)
			if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("key: %s: WWW-Authenticate is %q", name, w.Header().Get("WWW-Authenticate"))
			}
		}
		d.untouched("without a key")
		if d.vouched > 0 {
			t.Errorf("connections of %d without a key are vouched for", d.vouched)
		}
		for _, scene := range []string{"login", "default", "payment"} {
			d.refuses("blog asks about "+scene, d.post(request(fields{"scene": scene}), "Authorization", "Bearer blog-key-0123456789"), http.StatusForbidden, "scene")
		}
		w := d.post(request(fields{"scene": left}), "Authorization", "Bearer blog-key-0123456789")
		d.refuses("blog asks about no scene", w, http.StatusForbidden, "scene")
		if !strings.Contains(w.Body.String(), "must be one of the key's scenes: comment") {
			t.Errorf("the key's scenes are not named: %s", w.Body)
		}
		d.untouched("forbidden scenes")
		for _, header := range []string{"Bearer shop-key-0123456789", "bearer shop-key-0123456789", "Bearer  blog-key-0123456789"} {
			if w := d.post(request(fields{"scene": "comment"}), "Authorization", header); w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", header, w.Code, w.Body)
			}
		}
		if w := d.post(request(nil), "Authorization", "Bearer shop-key-0123456789"); w.Code != http.StatusOK {
			t.Errorf("shop asks about login: %d %s", w.Code, w.Body)
		}
		if d.vouched != 8 {
			t.Errorf("connections of 8 with a key, of which %d are vouched for", d.vouched)
		}
	})
}

// Pages and whoever looks after the process need no key.
func TestPages_NeedNoKey(t *testing.T) {
	atDoor(t, shopAndBlog, func(d *door) {
		for _, path := range []string{"/v1/mode?scene=login", "/healthz", "/readyz"} {
			if w := d.send("GET", path, ""); w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

// A scene that there is not is refused with those that the key may ask about.
func TestVerify_AnUnknownSceneIsAnsweredWithThoseThatThereAre(t *testing.T) {
	atDoor(t, shopAndBlog, func(d *door) {
		for key, want := range map[string]string{
			"shop-key-0123456789": "is not a configured scene; the scenes are comment, default, login, payment",
			"blog-key-0123456789": "is not a configured scene; the key's scenes are comment",
		} {
			w := d.post(request(fields{"scene": "logon"}), "Authorization", "Bearer "+key)
			d.refuses(key, w, http.StatusBadRequest, "scene")
			if !strings.Contains(w.Body.String(), want+`"`) {
				t.Errorf("%s: %s, want %q", key, w.Body, want)
			}
		}
	})
	many := func(c *public.Config) {
		scenes := make([]string, 50)
		for i := range scenes {
			scenes[i] = fmt.Sprintf("scene-%02d", i)
		}
		c.APIKeys = []public.APIKey{{Name: "shop", Key: "shop-key-0123456789", Scenes: scenes}}
	}
	atDoor(t, many, func(d *door) {
		w := d.post(request(fields{"scene": "logon"}), "Authorization", "Bearer shop-key-0123456789")
		if !strings.Contains(w.Body.String(), "scene-18, scene-19 and 30 more") {
			t.Errorf("of 50 scenes it says %s", w.Body)
		}
	})
}
