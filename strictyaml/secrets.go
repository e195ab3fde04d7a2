package strictyaml

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// redacted stands for a secret that is set.
const redacted = "[redacted]"

// isSecret reports whether the values of a key are never shown.
func isSecret(key string) bool {
	switch key {
	case "secret_id", "secret_key", "session_token", "app_secret_key", "key", "token", "secret":
		return true
	}
	return false
}

// likeSecret is what keys and tokens look like: long, of one piece, without the
// dots and colons of addresses.
var likeSecret = regexp.MustCompile(`^[A-Za-z0-9+/=_~-]{16,}$`)

// looksSecret reports whether a value that stands anywhere may be a secret, in a
// wrong place: of letters and digits both, as hardly a word is.
func looksSecret(value string) bool {
	return likeSecret.MatchString(value) && strings.ContainsAny(value, "0123456789") && strings.Trim(value, "0123456789") != ""
}

// holdsOthers reports whether a value has taken in what was to stand beside it, for want
// of a comma, a quote or an indentation: perhaps a secret.
func holdsOthers(value string) bool {
	return strings.Contains(value, "\n") || strings.Contains(value, ": ")
}

// hideSecrets is the second guard over the mistakes: the first is that none is
// written with a secret in it. It also puts ${NAME} back where a mistake shows
// what the variable held, since any variable may hold a secret.
func (d *Document) hideSecrets() {
	if d.target == nil {
		return
	}
	secrets := secretsOf(valueOf(d.target), "")
	for _, at := range d.written {
		if looksSecret(at.source) || holdsOthers(at.source) {
			secrets = append(secrets, at.source)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be part of another
	for i := range d.mistakes {
		m := &d.mistakes[i]
		for _, secret := range secrets {
			m.Text = without(m.Text, secret, redacted)
		}
		if value, ok := d.expanded[m.Key]; ok {
			m.Text = without(m.Text, value, d.written[m.Key].source)
			m.Text = strings.ReplaceAll(m.Text, shown(value), strconv.Quote(d.written[m.Key].source))
		}
	}
}

// without replaces value in text. Values of up to three letters stay: they
// are in every sentence and hide nothing.
func without(text, value, instead string) string {
	if len(value) < 4 {
		return text
	}
	text = strings.ReplaceAll(text, value, instead)
	quoted := strconv.Quote(value)
	return strings.ReplaceAll(text, quoted[1:len(quoted)-1], instead)
}

func secretsOf(v reflect.Value, key string) (found []string) {
	switch {
	case v.Kind() == reflect.String && isSecret(key):
		found = append(found, v.String())
	case v.Kind() == reflect.Struct:
		for _, one := range fieldsOf(v) {
			found = append(found, secretsOf(one.value, one.kind())...)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			found = append(found, secretsOf(v.Index(i), key)...)
		}
	}
	return found
}
