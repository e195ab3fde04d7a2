package admin_test

import (
	"errors"
	"strings"
	"testing"

	"captchagate/admin"
)

// An operator's test of the alarms says what came of it, in the API and on the dashboard.
func TestAlarms_AreTested(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
		says   string
		shows  string
	}{
		"taken":   {nil, 200, `{"taken":true}`, "The test was taken"},
		"no":      {errors.New("the chat refused it with error code 19021"), 502, "error code 19021", "The chat refused it with error code 19021."},
		"nowhere": {admin.ErrNoAlarms, 501, "is not configured", "is not configured, so nobody is told"},
	} {
		t.Run(name, func(t *testing.T) {
			d := build(t, tokens)
			d.noAlarms = tt.err
			if w := d.ask(t, "POST", "/admin/v1/alarms/test", "", bearer(operatorToken)); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w := d.form(t, "/alarms", nil, d.login(t, operatorToken)); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.shows) {
				t.Errorf("the form: %d %s", w.Code, w.Body)
			}
		})
	}
	d := build(t, tokens)
	if w := d.ask(t, "POST", "/admin/v1/alarms/test", "", bearer(viewerToken)); w.Code != 403 {
		t.Errorf("a viewer: %d", w.Code)
	}
	if w := d.form(t, "/alarms", nil, d.login(t, viewerToken)); w.Code != 403 {
		t.Errorf("a viewer's form: %d", w.Code)
	}
}
