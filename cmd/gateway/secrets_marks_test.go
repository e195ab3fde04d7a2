package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A mark is a text that must not show: a secret of the configuration, or what somebody sent.
type mark struct {
	what, text string
	shows      []string // the places that it is meant for
}

// What begins every mark that could be chosen: there is nothing in it that any way to write
// it would change.
const (
	madeSecret = "zqSecretXjqv7Wk"
	madeUp     = "zqMarkXjqv7Wk"
)

// chosen are the marks as they are looked for: those that could be chosen all at once.
func chosen(marks []mark) (looked []mark) {
	for _, m := range marks {
		for _, begins := range []string{madeSecret, madeUp} {
			if strings.HasPrefix(m.text, begins) {
				m = mark{what: "one that begins with", text: begins}
			}
		}
		if !slices.ContainsFunc(looked, func(l mark) bool { return l.text == m.text }) {
			looked = append(looked, m)
		}
	}
	return looked
}

// formsOf are a text as it may show, in lower case: as it is, as JSON, HTML and addresses
// write it, in hex, and in base64 wherever in that it begins.
func formsOf(text string) (forms []string) {
	quoted, _ := json.Marshal(text) // a string
	forms = []string{
		text, string(quoted[1 : len(quoted)-1]), html.EscapeString(text),
		url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text)),
	}
	for skip := range 3 {
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			whole := alphabet.EncodeToString(append(make([]byte, skip), text...))
			forms = append(forms, whole[(skip*8+5)/6:(skip+len(text))*8/6]) // what hangs on it alone
		}
	}
	for i, form := range forms {
		forms[i] = strings.ToLower(form)
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// finds are the marks that a place shows, with what stands around them.
func finds(place, text string, marks []mark) (found []string) {
	low := strings.ToLower(text)
	for _, m := range marks {
		if slices.Contains(m.shows, place) {
			low = strings.ReplaceAll(low, strings.ToLower(m.text), "")
		}
	}
	for _, m := range chosen(marks) {
		for _, form := range formsOf(m.text) {
			if at := strings.Index(low, form); at >= 0 {
				found = append(found, fmt.Sprintf("%s shows %s (%s): …%q…", place, m.what, m.text, low[max(0, at-80):min(len(low), at+len(form)+40)]))
				break
			}
		}
	}
	return found
}

// The hunt below finds a text however it is written; else that it finds nothing would say
// nothing.
func TestSecrets_AreFoundInEveryForm(t *testing.T) {
	for _, text := range []string{madeUp + "001", `a "quoted" <b>&é secret/+?`, "203.0.113.77"} {
		quoted, _ := json.Marshal(text)
		for _, written := range []string{
			text, strings.ToUpper(text), string(quoted), html.EscapeString(text), url.QueryEscape(text), "/" + url.PathEscape(text) + "?",
			fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text)),
			base64.StdEncoding.EncodeToString([]byte(`{"t":"` + text + `"}`)), base64.RawURLEncoding.EncodeToString([]byte("Basic:" + text + ":x")), base64.RawURLEncoding.EncodeToString([]byte("a" + text)),
		} {
			if len(finds("here", "before "+written+" after", []mark{{what: "it", text: text}})) != 1 {
				t.Errorf("%q is not found in %q", text, written)
			}
		}
		if got := finds("here", text, []mark{{what: "it", text: text, shows: []string{"here"}}}); got != nil {
			t.Errorf("%q is found where it is meant to show", got)
		}
	}
}
