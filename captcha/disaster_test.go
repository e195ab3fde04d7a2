package captcha_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"captchagate/captcha"
)

// madeAt is when the tickets of the table were made: 1700000000.
var madeAt = time.Unix(1_700_000_000, 0)

// Every shape that was met in the field is known, and what is left out of it
// is left out of what is read.
func TestParseDisaster_KnowsTheFormsOfTheField(t *testing.T) {
	for _, row := range []struct {
		name, ticket string
		want         captcha.DisasterTicket
	}{
		{"the standard", "trerror_1001_190000001_1700000000", captcha.DisasterTicket{Form: captcha.FormStandard, Code: 1001, AppID: 190000001, At: madeAt}},
		{"an app id of ten digits", "trerror_1006_2012345678_1700000000", captcha.DisasterTicket{Form: captcha.FormStandard, Code: 1006, AppID: 2012345678, At: madeAt}},
		{"a fifth part", "trerror_1004_190000001_1700000000_ab-c", captcha.DisasterTicket{Form: captcha.FormExtra, Code: 1004, AppID: 190000001, At: madeAt, Extra: "ab-c"}},
		{"a fifth part with a separator", "trerror_1004_190000001_1700000000_a_b", captcha.DisasterTicket{Form: captcha.FormExtra, Code: 1004, AppID: 190000001, At: madeAt, Extra: "a_b"}},
		{"script 1.0", "terror_1001_190000001_1700000000", captcha.DisasterTicket{Form: captcha.FormOld, Code: 1001, AppID: 190000001, At: madeAt}},
		{"script 1.0 with a fifth part", "terror_1012_190000001_1700000000_x", captcha.DisasterTicket{Form: captcha.FormExtra, Code: 1012, AppID: 190000001, At: madeAt, Extra: "x"}},
		{"glued", "terror_1001_1900000011700000000", captcha.DisasterTicket{Form: captcha.FormGlued, Code: 1001, AppID: 190000001, At: madeAt}},
		{"glued, ten digits", "terror_1001_20123456781700000000", captcha.DisasterTicket{Form: captcha.FormGlued, Code: 1001, AppID: 2012345678, At: madeAt}},
		{"glued, app id undefined", "terror_1001_undefined1700000000", captcha.DisasterTicket{Form: captcha.FormGlued, Code: 1001, At: madeAt}},
		{"without an app id", "trerror_1001_1700000000", captcha.DisasterTicket{Form: captcha.FormNoAppID, Code: 1001, At: madeAt}},
		{"an empty app id", "trerror_1001__1700000000", captcha.DisasterTicket{Form: captcha.FormNoAppID, Code: 1001, At: madeAt}},
		{"app id undefined", "trerror_1001_undefined_1700000000", captcha.DisasterTicket{Form: captcha.FormNoAppID, Code: 1001, At: madeAt}},
		{"without a time", "trerror_1001_190000001", captcha.DisasterTicket{Form: captcha.FormNoTime, Code: 1001, AppID: 190000001}},
		{"without either", "trerror_1001_", captcha.DisasterTicket{Form: captcha.FormNoTime, Code: 1001}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, ok := captcha.ParseDisaster(row.ticket); !ok || got != row.want {
				t.Errorf("%s = %+v, %v, want %+v", row.ticket, got, ok, row.want)
			}
		})
	}
}

// What only looks like one is told apart from one, and is never sent either.
func TestParseDisaster_RefusesWhatHasNoForm(t *testing.T) {
	for _, ticket := range []string{
		"trerror_", "trerror_1001", "trerror_101_190000001_1700000000", "trerror_10010_190000001_1700000000", "trerror_x001_190000001_1700000000",
		"trerror_1001_190000001_170000000", "trerror_1001_190000001_17000000000", "trerror_1001_190000001_", "trerror_1001_19000000x_1700000000",
		"trerror_1001_12345678901_1700000000", "trerror_1001_190000001_1700000000_", "trerror_1001_190000001_1700000000_a b", "terror_1001_-1_1700000000",
		"terror_1001_123456789011700000000", "trerror_1001_190000001_1700000000_" + strings.Repeat("x", captcha.MaxTicket),
	} {
		if d, ok := captcha.ParseDisaster(ticket); ok {
			t.Errorf("%.60q has the form %s", ticket, d.Form)
		}
		if !captcha.LooksDisaster(ticket) {
			t.Errorf("%.60q does not look like one", ticket)
		}
	}
	for _, ticket := range []string{"", "tr03abc", "TRERROR_1001_190000001_1700000000", " trerror_1001_190000001_1700000000", "trerror1001"} {
		if _, ok := captcha.ParseDisaster(ticket); ok || captcha.LooksDisaster(ticket) {
			t.Errorf("%q is taken for a disaster ticket", ticket)
		}
	}
}

func TestNewDisasterTicket_IsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := captcha.DisasterTicket{
			Form: captcha.FormStandard, Code: rapid.IntRange(1001, 1085).Draw(t, "code"),
			AppID: rapid.Uint64Range(1, 9_999_999_999).Draw(t, "app id"),
			At:    time.Unix(rapid.Int64Range(1_000_000_000, 9_999_999_999).Draw(t, "time"), 0),
		}
		made := captcha.NewDisasterTicket(want.Code, want.AppID, want.At)
		if got, ok := captcha.ParseDisaster(made); !ok || got != want {
			t.Errorf("%s = %+v, %v, want %+v", made, got, ok, want)
		}
	})
}

// FuzzParseDisaster: whatever a user sends, the parser ends, says only what
// stands there, and knows no disaster ticket that LooksDisaster would let
// through to the API.
func FuzzParseDisaster(f *testing.F) {
	for _, seed := range []string{
		"", "trerror_1001_190000001_1700000000", "terror_1001_190000001_1700000000_x_y", "terror_1001_1900000011700000000",
		"trerror_1001_undefined_1700000000", "terror_1001_undefined1700000000", "trerror_1001_", "trerror_1001__1700000000", "trerror_1001_٣_1700000000",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ticket string) {
		d, ok := captcha.ParseDisaster(ticket)
		if !ok {
			return
		}
		if !captcha.LooksDisaster(ticket) {
			t.Errorf("%q is one and does not look it", ticket)
		}
		if d.Code < 0 || d.Code > 9999 || d.AppID > 9_999_999_999 || !d.At.IsZero() && (d.At.Unix() < 0 || d.At.Unix() > 9_999_999_999) {
			t.Errorf("%q is out of range: %+v", ticket, d)
		}
		if !strings.HasSuffix(ticket, d.Extra) || d.Form == captcha.FormExtra != (d.Extra != "") {
			t.Errorf("%q has another fifth part: %+v", ticket, d)
		}
		if d.Form == captcha.FormNoTime != d.At.IsZero() {
			t.Errorf("%q has another time: %+v", ticket, d)
		}
		again, ok := captcha.ParseDisaster(captcha.NewDisasterTicket(d.Code, d.AppID, d.At))
		if d.Form == captcha.FormStandard && d.Code >= 1000 && d.At.Unix() >= 1_000_000_000 && (!ok || again != d) {
			t.Errorf("%q made anew is %+v, %v, want %+v", ticket, again, ok, d)
		}
	})
}
