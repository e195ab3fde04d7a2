package connlimit

import (
	"bytes"
	"strconv"
	"strings"
)

// maxFields is how many fields a head may have. The server makes of a short field
// more than ten times the bytes that it was sent with.
const maxFields = 100

// A head is what came of a request's head over HTTP/1. The server is lenient with what
// proxies read in another way, and with that a request can be hidden in another's: such
// heads are refused before it sees them.
type head struct {
	lines  int
	old    bool   // it is not of HTTP/1.1
	sized  bool   // by a length
	length int64  // of its body, in bytes
	codes  int    // fields that name a transfer coding
	coding string // the last of these, in lower case
}

// refusal is why no more is read; "" = there is no reason.
type refusal string

const (
	tooManyLines refusal = "431 Request Header Fields Too Large"
	readTwoWays  refusal = "400 Bad Request"
	// the server refuses it itself, or finds that a body breaks off.
	brokenOff refusal = "broken off"
)

// takes judges a line, and says whether it is the head's last.
func (h *head) takes(l *line) (last bool, why refusal) {
	switch {
	case h.lines == 0 && (l.long == 0 || l.blank()):
		return false, "" // the server skips those between two requests
	case l.bare(), l.begins[0] == ' ', l.begins[0] == '\t':
		return false, readTwoWays
	case l.blank():
		return true, ""
	case h.lines > maxFields:
		return false, tooManyLines
	case h.lines == 0:
		h.lines, h.old = 1, string(l.ends[:]) != "1.1\r"
		return false, ""
	}
	h.lines++
	return false, h.field(l)
}

// field notes what a field says of the body.
func (h *head) field(l *line) refusal {
	if value, whole, ok := l.field("content-length"); ok {
		n, err := strconv.ParseUint(value, 10, 62)
		if err != nil || !whole || h.sized && h.length != int64(n) {
			return readTwoWays
		}
		h.sized, h.length = true, int64(n)
	}
	if value, whole, ok := l.field("transfer-encoding"); ok {
		if !whole || h.old {
			return readTwoWays
		}
		h.codes, h.coding = h.codes+1, strings.ToLower(value)
	}
	if h.sized && h.codes > 0 {
		return readTwoWays
	}
	return ""
}

// A line is one of a head, or between chunks, however it was cut into packets.
type line struct {
	begins [64]byte
	ends   [4]byte // of what came of it, without its line feed
	long   int     // likewise
}

// takes takes what came up to a line feed. It returns how much that is, and whether the
// line is whole.
func (l *line) takes(came []byte) (n int, whole bool) {
	part, rest, whole := bytes.Cut(came, []byte("\n"))
	if l.long < len(l.begins) {
		copy(l.begins[l.long:], part)
	}
	l.long += len(part)
	part = part[max(0, len(part)-len(l.ends)):]
	copy(l.ends[:], l.ends[len(part):])
	copy(l.ends[len(l.ends)-len(part):], part)
	return len(came) - len(rest), whole
}

func (l *line) bare() bool  { return l.long == 0 || l.ends[len(l.ends)-1] != '\r' }
func (l *line) blank() bool { return l.long == 1 && !l.bare() }

// text is its beginning, and whether that is all of it.
func (l *line) text() (text string, whole bool) {
	return string(l.begins[:min(l.long, len(l.begins))]), l.long <= len(l.begins)
}

// field returns the value of the field of that name, if the line is one.
func (l *line) field(name string) (value string, whole, ok bool) {
	text, whole := l.text()
	is, value, ok := strings.Cut(text, ":")
	return strings.Trim(value, " \t\r"), whole, ok && strings.EqualFold(is, name)
}
