package captcha

import (
	"strings"
	"unicode"
)

// maxForeign is how many bytes of a foreign text are repeated.
const maxForeign = 200

// Foreign returns what may be repeated, in a log, the audit, a status or an
// answer, of a text that another host wrote or may have written a part of: at
// most 200 bytes and a mark that something is missing, on one line, with a
// replacement character for what cannot be printed.
func Foreign(text string) string {
	var out strings.Builder
	for _, r := range text {
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		if out.Len()+len(string(r)) > maxForeign {
			return out.String() + "…"
		}
		out.WriteRune(r)
	}
	return out.String()
}
