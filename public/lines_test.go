package public_test

import (
	"strings"
	"testing"

	"captchagate/public"
)

// What the log says of a request that could not be read is why, and not what its ticket or
// its scene would have been.
func TestLines_SayThatABodyWasTooLong(t *testing.T) {
	long := request(fields{"ticket": strings.Repeat("x", 200_000)})
	atDoor(t, func(c *public.Config) { c.Lines.Decisions = public.LinesExceptions }, func(d *door) {
		if w := d.post(long); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if log := d.log.String(); !strings.Contains(log, `why="the body is longer than 65536 bytes, and was not read"`) || strings.Contains(log, "scene=") {
			t.Errorf("the log says %s", log)
		}
	})
}

// The log tells the mistakes that callers make with their key apart. The answer does not.
func TestLines_TellNoKeyFromAWrongOne(t *testing.T) {
	keyed := func(c *public.Config) {
		c.Lines.Decisions, c.APIKeys = public.LinesExceptions, []public.APIKey{{Name: "shop", Key: "shop-key-0123456789"}}
	}
	answers := map[string]bool{}
	for header, want := range map[string]string{
		"": `detail="no key was sent"`, "Basic c2hvcA==": `detail="Authorization was sent, and not as: Bearer KEY"`, "Bearer guessed-key-9876543210": `detail="the key is none of api_keys"`,
	} {
		atDoor(t, keyed, func(d *door) {
			w := d.post(request(nil), "Authorization", header)
			answers[w.Body.String()] = true
			if log := d.log.String(); w.Code != 401 || !strings.Contains(log, want) || strings.Contains(log, "guessed") {
				t.Errorf("%q: %d, and the log says %s", header, w.Code, log)
			}
		})
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
}
