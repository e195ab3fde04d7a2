package connlimit

import (
	"strconv"
	"strings"
)

// A part is what of a request comes next on a connection.
type part int

const (
	inHead part = iota
	inBody
	inSize // the line before a chunk
	inChunk
	inTrailer
)

// requests follows the requests on a connection over HTTP/1, so that the head of each
// is seen from its first byte, even of one that came with the request before. What it
// does not understand goes no further.
type requests struct {
	head head
	line line
	in   part
	left int64 // bytes of a body or a chunk

	unanswered int // whose head was seen whole
	why        refusal
}

// reads takes what came next. It returns how many bytes of it the server may see: all,
// unless there is now a reason to read no more.
func (r *requests) reads(came []byte) (good int) {
	for at := 0; at < len(came); {
		if r.in == inBody || r.in == inChunk {
			at += r.skips(len(came) - at)
			good = at
			continue
		}
		n, whole := r.line.takes(came[at:])
		if at += n; whole {
			r.ends()
			r.line = line{}
		}
		if r.in != inHead || r.head.lines == 0 && whole && r.why == "" {
			good = at
		}
		if r.why != "" {
			return good
		}
	}
	return len(came)
}

func (r *requests) skips(most int) int {
	n := min(r.left, int64(most))
	if r.left -= n; r.left == 0 && r.in == inChunk {
		r.in = inSize
	} else if r.left == 0 {
		r.in = inHead
	}
	return int(n)
}

// ends judges a whole line.
func (r *requests) ends() {
	switch {
	case r.in == inHead:
		var last bool
		if last, r.why = r.head.takes(&r.line); last {
			r.begins()
		}
	case r.line.bare():
		r.why = brokenOff
	case r.in == inSize:
		r.chunk()
	case r.line.blank(): // behind the trailer
		r.in = inHead
	}
}

// begins begins the body that a whole head spoke of.
func (r *requests) begins() {
	h := r.head
	r.head, r.left = head{}, h.length
	r.unanswered++
	switch {
	case h.codes > 1 || h.codes == 1 && h.coding != "chunked": // 501
		r.in, r.why = inSize, brokenOff
	case h.codes == 1:
		r.in = inSize
	case h.length > 0:
		r.in = inBody
	}
}

// chunk begins the chunk that a line gives the size of.
func (r *requests) chunk() {
	text, whole := r.line.text()
	size, _, extended := strings.Cut(text, ";")
	n, err := strconv.ParseUint(strings.TrimRight(size, " \t\r"), 16, 62)
	switch {
	case err != nil || !whole && !extended:
		r.why = brokenOff
	case n == 0:
		r.in = inTrailer
	default:
		r.in, r.left = inChunk, int64(n)+int64(len("\r\n"))
	}
}
