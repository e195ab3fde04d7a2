package captcha

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A DisasterTicket is what a page makes up when the Captcha script fails, by
// Tencent's business disaster recovery scheme. Nothing in it is authenticated:
// anybody can mint one. It proves only its form.
type DisasterTicket struct {
	Form  Form
	Code  int       // front-end error code, 1001 and up
	AppID uint64    // 0 if the page left it out
	At    time.Time // the browser's clock, whole seconds; zero if left out
	Extra string    // a fifth part, as the script itself adds
}

// errorCodes are the front-end error codes that Tencent documents or that its
// script was seen to give.
var errorCodes = []int{1001, 1002, 1003, 1004, 1005, CodeConfigFailed, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1085}

// CodeConfigFailed is the front-end error code that arrears, or a bad
// aidEncrypted, of our own look like too.
const CodeConfigFailed = 1006

// ErrorCodes lists every known front-end error code, in ascending order.
func ErrorCodes() []int { return slices.Clone(errorCodes) }

// KnownErrorCode reports whether code is one of ErrorCodes.
func KnownErrorCode(code int) bool { return slices.Contains(errorCodes, code) }

// Form is the shape of a disaster ticket, as met in the field.
type Form string

// The forms.
const (
	FormStandard Form = "standard" // trerror_<code>_<app id>_<unix s>
	FormExtra    Form = "extra"    // either prefix and a fifth part
	FormOld      Form = "old"      // terror_<code>_<app id>_<unix s>
	FormGlued    Form = "glued"    // app id and time without a separator
	FormNoAppID  Form = "no_app_id"
	FormNoTime   Form = "no_time"
)

// Forms lists every form.
func Forms() []Form {
	return []Form{FormStandard, FormExtra, FormOld, FormGlued, FormNoAppID, FormNoTime}
}

// NewDisasterTicket returns the standard form of a ticket for appID made at
// the given time.
func NewDisasterTicket(code int, appID uint64, at time.Time) string {
	return "trerror_" + strconv.Itoa(code) + "_" +
		strconv.FormatUint(appID, 10) + "_" + strconv.FormatInt(at.Unix(), 10)
}

// LooksDisaster reports whether a ticket claims to be a disaster ticket, in
// whatever shape the rest of it is. Such a ticket is never sent to the API.
func LooksDisaster(ticket string) bool {
	return strings.HasPrefix(ticket, "trerror_") || strings.HasPrefix(ticket, "terror_")
}

// ParseDisaster parses a disaster ticket of any known form; ok is false if
// ticket has none of them.
func ParseDisaster(ticket string) (d DisasterTicket, ok bool) {
	prefix, rest, _ := strings.Cut(ticket, "_")
	if (prefix != "trerror" && prefix != "terror") || len(ticket) > MaxTicket {
		return d, false
	}
	parts := strings.SplitN(rest, "_", 4)
	if len(parts) < 2 || !digits(parts[0], 4, 4) {
		return d, false
	}
	d.Code, _ = strconv.Atoi(parts[0])
	d.Form = FormStandard
	if prefix == "terror" {
		d.Form = FormOld
	}
	switch len(parts) {
	case 2:
		ok = d.parseLone(parts[1])
	case 3:
		ok = d.parseAppID(parts[1]) && d.parseTime(parts[2])
	default:
		d.Form, d.Extra = FormExtra, parts[3]
		ok = d.parseAppID(parts[1]) && d.parseTime(parts[2]) && printable(d.Extra, MaxRandstr)
	}
	return d, ok
}

// parseLone reads the only part behind the code: a time, an app id, or both
// glued together. A time has ten digits and app ids met have nine or ten, so a
// lone ten-digit number is a time if it could be one of this age.
func (d *DisasterTicket) parseLone(s string) bool {
	switch {
	case digits(s, 11, 20): // glued: the time is the last ten digits
		d.Form = FormGlued
		return d.parseAppID(s[:len(s)-10]) && d.parseTime(s[len(s)-10:])
	case s == "" || s == "undefined":
		d.Form = FormNoTime
		return true
	case strings.HasPrefix(s, "undefined"):
		d.Form = FormGlued
		return d.parseTime(s[len("undefined"):])
	case digits(s, 10, 10) && s[:2] >= "15" && s[:2] <= "18": // 2017-07 to 2030-03
		d.Form = FormNoAppID
		return d.parseTime(s)
	default:
		d.Form = FormNoTime
		return d.parseAppID(s)
	}
}

func (d *DisasterTicket) parseAppID(s string) bool {
	if s == "" || s == "undefined" {
		if d.Form == FormStandard || d.Form == FormOld {
			d.Form = FormNoAppID
		}
		return true
	}
	if !digits(s, 1, 10) {
		return false
	}
	d.AppID, _ = strconv.ParseUint(s, 10, 64)
	return true
}

func (d *DisasterTicket) parseTime(s string) bool {
	if !digits(s, 10, 10) {
		return false
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	d.At = time.Unix(n, 0)
	return true
}

func digits(s string, minLen, maxLen int) bool {
	if len(s) < minLen || len(s) > maxLen {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
