package public_test

import (
	"strings"
	"testing"
)

// report is what a page sends when the captcha fails to load.
const report = `{"events":[{"code":1001,"scene":"comment","app_id":190000001}]}`

// A page's report is taken in the form that the page script sends, and refused
// in any other.
func TestPages_TakeReportsOfAForm(t *testing.T) {
	atDoor(t, nil, func(d *door) {
		many := strings.Repeat(`{"code":1001},`, 16)
		for name, row := range map[string]struct {
			body string
			want int
		}{
			"one event":         {report, 204},
			"code alone":        {`{"events":[{"code":1006}]}`, 204},
			"sixteen":           {`{"events":[` + strings.TrimSuffix(many, ",") + `]}`, 204},
			"4 KiB":             {report + strings.Repeat(" ", 4<<10-len(report)), 204},
			"an unknown code":   {`{"events":[{"code":77}]}`, 204},
			"seventeen":         {`{"events":[` + many + `{"code":1001}]}`, 400},
			"none":              {`{"events":[]}`, 400},
			"no code":           {`{"events":[{"scene":"x"}]}`, 400},
			"a code below 1":    {`{"events":[{"code":-1}]}`, 400},
			"a code as text":    {`{"events":[{"code":"1001"}]}`, 400},
			"an unknown field":  {`{"events":[{"code":1001,"user":"anna"}]}`, 400},
			"a long scene":      {`{"events":[{"code":1001,"scene":"` + strings.Repeat("x", 129) + `"}]}`, 400},
			"not JSON":          {`events=1001`, 400},
			"two values":        {report + report, 400},
			"nothing":           {``, 400},
			"a byte over 4 KiB": {report + strings.Repeat(" ", 4<<10+1-len(report)), 413},
			"5 KiB":             {strings.Repeat("x", 5<<10), 413},
		} {
			for _, kind := range []string{"text/plain;charset=UTF-8", "application/json"} {
				w := d.send("POST", "/v1/client-events", row.body, "Content-Type", kind)
				if w.Code != row.want {
					t.Errorf("%s as %s: %d %s, want %d", name, kind, w.Code, w.Body, row.want)
				}
				if w.Code != 204 && strings.Contains(w.Body.String(), "anna") {
					t.Errorf("%s: repeats what was sent: %s", name, w.Body)
				}
			}
		}
		if d.told != 40 {
			t.Errorf("%d events were told, want 40", d.told)
		}
		if w := d.send("GET", "/v1/client-events", ""); w.Code != 405 {
			t.Errorf("GET: %d", w.Code)
		}
	})
}
